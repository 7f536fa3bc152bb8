//! The firmware of the appliance beside a real provider that answers over TLS.

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use gatepost_tests::appliance::{self, Appliance, Boot};
use gatepost_tests::certificates::{self, Certificate};
use gatepost_tests::daemon::wait_until;
use gatepost_tests::lab::Lab;
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::oidc_provider::{Kind, OidcProvider};
use gatepost_tests::roots;
use libtest_mimic::Failed;

use crate::Case;
use crate::appliance::{accept, log_in, refuse, refuse_for_now};

/// The images of these cases, by their configurations in `tests/appliance`.
pub(crate) const IMAGES: [&str; 2] = ["online-tls", "pinned-an500"];

const PROVIDER: u16 = 13201;
const ISSUER: &str = "https://id.test:13143";
const HOST: &str = "id.test";
const TIME: u16 = 12301;
const PORT: u16 = 12360;
const OTHER_PORT: u16 = 12361;

struct Behind {
    directory: PathBuf,
    provider: OidcProvider,
    appliance: Appliance,
}

static BEHIND: OnceLock<Mutex<Behind>> = OnceLock::new();

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, check: fn(&Lab, &Behind) -> Result<(), Failed>| {
        Case::new(format!("appliance_tls::{name}"), move |lab| {
            let behind = open(lab)?;
            let outcome = check(lab, &behind);
            if outcome.is_err() {
                println!("the device logged:\n{}", behind.appliance.logged());
            }
            outcome
        })
    };
    vec![
        case("keys_and_answers_come_over_tls", keys_and_answers),
        case(
            "a_wrong_server_is_not_asked_and_stops_no_other_login",
            wrong_servers,
        ),
        case("a_pinned_key_needs_no_authority", pinned),
        case("without_a_seed_nobody_is_asked_over_tls", unseeded),
    ]
}

fn open(lab: &Lab) -> io::Result<MutexGuard<'static, Behind>> {
    if BEHIND.get().is_none() {
        let directory = lab.directory_for("appliance_tls")?;
        appliance::serve_time(TIME)?;
        certificates::write(&directory, Certificate::Good, HOST)?;
        let roots = roots::directory()?;
        let provider = OidcProvider::start_behind_tls(&roots, PROVIDER, &directory, ISSUER)?;
        let appliance = Appliance::start(&Boot {
            has_seed: true,
            ..Boot::new(IMAGES[0], "mps2-an386", PORT, &directory)
        })?;
        // Cases run one after the other.
        let _ = BEHIND.set(Mutex::new(Behind {
            directory,
            provider,
            appliance,
        }));
    }
    let behind = BEHIND.get().ok_or_else(|| io::Error::other("not open"))?;
    Ok(behind.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Behind {
    fn token(&self, lab: &Lab, kind: Kind) -> io::Result<String> {
        let token = self.provider.token(USER, kind, "mail")?;
        Ok(lab.logins.remember(token))
    }

    /// What the provider presents from now on.
    fn present(&self, kind: Certificate) -> io::Result<()> {
        certificates::write(&self.directory, kind, HOST)?;
        self.provider.present_certificate()
    }
}

fn keys_and_answers(lab: &Lab, behind: &Behind) -> Result<(), Failed> {
    behind.appliance.wait_for("provider found")?;
    let mut client = behind.appliance.client()?;
    for algorithm in ["ES256", "ES384", "ES512", "RS256", "PS256", "EdDSA"] {
        accept(&mut client, &behind.token(lab, Kind::Jwt(algorithm))?)?;
    }
    let opaque = behind.token(lab, Kind::Opaque)?;
    accept(&mut client, &opaque)?;
    behind.provider.revoke(&opaque)?;
    refuse(&mut client, &opaque, "not good any more")?;
    let (challenge, _) = log_in(&mut client, Mechanism::OauthBearer, &opaque)?;
    let challenge = challenge.ok_or("no challenge")?;
    let metadata = format!("{ISSUER}/.well-known/openid-configuration");
    assert_eq!(challenge["openid-configuration"], metadata);
    Ok(())
}

fn wrong_servers(lab: &Lab, behind: &Behind) -> Result<(), Failed> {
    let mut client = behind.appliance.client()?;
    let (jwt, opaque) = (
        behind.token(lab, Kind::Jwt("ES256"))?,
        behind.token(lab, Kind::Opaque)?,
    );
    for (wrong, reason) in [
        (
            Certificate::ForAnotherName,
            "the certificate is for another name",
        ),
        (Certificate::OfAStranger, "no chain leads to a trust anchor"),
        (Certificate::Expired, "a certificate has expired"),
    ] {
        behind.present(wrong)?;
        refuse_for_now(&mut client, &opaque)?;
        let line = format!("no TLS: {reason}; host={HOST}");
        assert!(behind.appliance.logged().contains(&line), "{line}");
        accept(&mut client, &jwt)?;
    }
    behind.present(Certificate::Good)?;
    accept(&mut client, &opaque)?;
    let (statics, stack) = behind.appliance.memory()?;
    println!("static memory with TLS: {statics} bytes, stack: {stack}");
    Ok(())
}

fn pinned(lab: &Lab, behind: &Behind) -> Result<(), Failed> {
    behind.present(Certificate::Pinned)?;
    let directory = lab.directory_for("appliance_pinned")?;
    let appliance = Appliance::start(&Boot {
        has_seed: true,
        ..Boot::new(IMAGES[1], "mps2-an500", OTHER_PORT, &directory)
    })?;
    let found = appliance.wait_for("provider found");
    found.map_err(|error| format!("{error}; it logged:\n{}", appliance.logged()))?;
    let mut client = appliance.client()?;
    accept(&mut client, &behind.token(lab, Kind::Jwt("RS256"))?)?;
    let opaque = behind.token(lab, Kind::Opaque)?;
    accept(&mut client, &opaque)?;
    behind.present(Certificate::Good)?;
    refuse_for_now(&mut client, &opaque)?;
    appliance.wait_for("no TLS: the server's key is not pinned")?;
    Ok(())
}

fn unseeded(lab: &Lab, behind: &Behind) -> Result<(), Failed> {
    let directory = lab.directory_for("appliance_unseeded")?;
    let boot = Boot::new(IMAGES[0], "mps2-an386", OTHER_PORT, &directory);
    let appliance = Appliance::start(&boot)?;
    appliance.wait_for("no TLS: no seed")?;
    let mut client = appliance.client()?;
    refuse_for_now(&mut client, &behind.token(lab, Kind::Jwt("ES256"))?)?;
    wait_until("a refusal over TLS", || {
        appliance.logged().contains("no TLS: no entropy")
    })?;
    Ok(())
}
