//! A second identity provider, of other authors: opaque tokens, TLS with an authority of its own, and client
//! certificates.

use std::fmt::Write as _;
use std::io;
use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use gatepost_tests::daemon::{Configuration, Daemon, wait_until};
use gatepost_tests::django::{CLIENT, Django};
use gatepost_tests::lab::{DJANGO, DJANGO_GATEPOST, Lab};
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::namespace::in_root;
use gatepost_tests::smtp::{Ending, InitialResponse, Session};
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Case;

/// The provider, and the Gatepost that asks it.
struct Behind {
    provider: Django,
    configuration: Configuration,
    daemon: Daemon,
}

static BEHIND: OnceLock<Mutex<Behind>> = OnceLock::new();

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, check: fn(&Lab, &mut Behind) -> Result<(), Failed>| {
        Case::new(format!("django::{name}"), move |lab| {
            let mut behind = open(lab)?;
            check(lab, &mut behind)
        })
    };
    vec![
        case("a_token_of_another_provider_logs_its_user_in", tokens),
        case("a_revoked_token_is_refused_with_its_reason", revocation),
        case("a_mail_client_that_knows_passwords_only_gets_in", passwords),
        case(
            "only_the_named_authority_and_our_certificate_will_do",
            certificates,
        ),
    ]
}

fn text(provider: &Django, authority: &str, certificate: bool) -> String {
    let (id, secret) = CLIENT;
    let mut text = format!(
        "log = {{ format = \"json\" }}\nlisten = \"tcp:127.0.0.1:{DJANGO_GATEPOST}\"\n\n[[provider]]\n\
         introspection_url = \"{}\"\nclient_id = \"{id}\"\nclient_secret = \"{secret}\"\n\
         grant_url = \"{}\"\ngrant_scope = \"mail\"\nusername_claims = [\"username\"]\nscopes = [\"mail\"]\n\
         audience = \"mail\"\nallow_missing_audience = true\ncache_seconds = 0\nnegative_cache_seconds = 0\n",
        provider.url("/o/introspect/"),
        provider.url("/o/token/"),
    );
    if !authority.is_empty() {
        let path = provider.file(authority);
        // A string always has room, here and below.
        let _ = writeln!(text, "ca_file = \"{}\"", path.display());
    }
    if certificate {
        let (chain, key) = (provider.file("client.pem"), provider.file("client.key"));
        let (chain, key) = (chain.display(), key.display());
        let _ = writeln!(
            text,
            "client_certificate = \"{chain}\"\nclient_key = \"{key}\""
        );
    }
    text
}

fn open(lab: &Lab) -> io::Result<MutexGuard<'static, Behind>> {
    if BEHIND.get().is_none() {
        let provider = Django::start(&lab.django_root())?;
        let directory = lab.directory_for("django")?;
        let listener = Address::port(DJANGO_GATEPOST);
        let text = text(&provider, "authority.pem", true);
        let configuration = Configuration::write_text(directory, listener, &text)?;
        let daemon = Daemon::start(&configuration)?;
        // Cases run one after the other.
        let _ = BEHIND.set(Mutex::new(Behind {
            provider,
            configuration,
            daemon,
        }));
    }
    let behind = BEHIND.get().ok_or_else(|| io::Error::other("not open"))?;
    Ok(behind.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Behind {
    /// A token that no log may hold.
    fn token(&self, lab: &Lab, user: &str, scope: &str) -> io::Result<String> {
        Ok(lab.logins.remember(self.provider.token(user, scope)?))
    }

    fn accept(&self, mechanism: Mechanism, token: &str) -> Result<(), Failed> {
        let ending = log_in(mechanism, token)?;
        let log = self.daemon.logged();
        assert_eq!(ending.reply.code, 235, "{ending:?}\n{log}");
        Ok(())
    }

    fn configure(&self, text: &str) -> io::Result<()> {
        let reloads = || self.daemon.logged().matches("\"reloaded\"").count();
        let before = reloads();
        self.configuration.write_file(text)?;
        self.daemon.reload()?;
        wait_until("the reload", || reloads() > before)
    }
}

fn log_in(mechanism: Mechanism, token: &str) -> io::Result<Ending> {
    let mut session = Session::open(&Address::port(DJANGO))?;
    let response = mechanism.response(token);
    let when = InitialResponse::AfterChallenge;
    session.authenticate(mechanism.name(), &response, when, mechanism.answer())
}

fn refuse(token: &str, status: &str) -> Result<(), Failed> {
    let ending = log_in(Mechanism::OauthBearer, token)?;
    let challenge = ending.challenge.clone().ok_or(format!("{ending:?}"))?;
    let challenge: Value = serde_json::from_slice(&challenge)?;
    assert_eq!(challenge["status"], json!(status), "{ending:?}");
    assert_eq!(ending.reply.code, 535, "{ending:?}");
    Ok(())
}

fn tokens(lab: &Lab, behind: &mut Behind) -> Result<(), Failed> {
    let token = behind.token(lab, USER, "mail")?;
    for mechanism in Mechanism::ALL {
        behind.accept(mechanism, &token)?;
    }
    refuse(
        &behind.token(lab, "bob@example.test", "mail")?,
        "invalid_token",
    )?;
    refuse(&behind.token(lab, USER, "calendar")?, "insufficient_scope")?;
    refuse("never-issued", "invalid_token")
}

fn revocation(lab: &Lab, behind: &mut Behind) -> Result<(), Failed> {
    let token = behind.token(lab, USER, "mail")?;
    behind.accept(Mechanism::Xoauth2, &token)?;
    behind.provider.revoke(&token)?;
    refuse(&token, "invalid_token")
}

/// What curl's login by password ends with.
fn curl(lab: &Lab, mechanism: &str, password: &str) -> io::Result<(bool, String)> {
    let output = in_root(&lab.mail_root(), "/usr/bin/curl")
        .args(["--verbose", "--max-time", "20", "--login-options"])
        .arg(format!("AUTH={mechanism}"))
        .args(["--user", &format!("{USER}:{password}"), "--request", "NOOP"])
        .arg(format!("smtp://127.0.0.1:{DJANGO}"))
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.success(), said))
}

fn passwords(lab: &Lab, _: &mut Behind) -> Result<(), Failed> {
    for mechanism in ["PLAIN", "LOGIN"] {
        let (is_in, said) = curl(lab, mechanism, "password")?;
        assert!(
            is_in && said.contains(&format!("AUTH {mechanism}")),
            "{said}"
        );
        let (is_in, said) = curl(lab, mechanism, "a-wrong-one")?;
        assert!(
            !is_in && said.contains("refuses this name and password"),
            "{said}"
        );
    }
    Ok(())
}

fn certificates(lab: &Lab, behind: &mut Behind) -> Result<(), Failed> {
    let token = behind.token(lab, USER, "mail")?;
    // Without its authority, by another one (a leaf that signs nothing), and without our certificate.
    for (authority, certificate) in [("", true), ("client.pem", true), ("authority.pem", false)] {
        behind.configure(&text(&behind.provider, authority, certificate))?;
        let ending = log_in(Mechanism::Xoauth2, &token)?;
        assert_eq!(
            (ending.reply.code, &ending.challenge),
            (535, &None),
            "{ending:?}"
        );
        assert!(
            ending.reply.text.contains("Temporary failure"),
            "{ending:?}"
        );
    }
    behind.configure(&text(&behind.provider, "authority.pem", true))?;
    behind.accept(Mechanism::Xoauth2, &token)?;
    Ok(())
}
