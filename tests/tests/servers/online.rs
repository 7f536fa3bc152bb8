//! A real identity provider behind it all: found by its issuer, asked, rotated, and taken away.

use std::fs;
use std::io;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::clients::Client;
use gatepost_tests::daemon::{Configuration, Daemon, wait_until};
use gatepost_tests::lab::{Lab, ONLINE, ONLINE_GATEPOST};
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::oidc_provider::{CLIENT, Kind, OidcProvider, RESOURCE_SERVER};
use gatepost_tests::roots;
use gatepost_tests::smtp::{Ending, InitialResponse, Session};
use gatepost_tests::stream::Address;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Case;

const PORT: u16 = 13000;

/// Every algorithm that oidc-provider signs access tokens with, but for shared secrets.
const ALGORITHMS: [&str; 11] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519",
];

/// The provider, and the Gatepost that finds it.
pub(crate) struct Online {
    pub(crate) provider: OidcProvider,
    configuration: Configuration,
    pub(crate) daemon: Daemon,
}

static ONLINE_LAB: OnceLock<Mutex<Online>> = OnceLock::new();

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, check: fn(&Lab, &mut Online) -> Result<(), Failed>| {
        Case::new(format!("online::{name}"), move |lab| {
            let mut online = open(lab)?;
            check(lab, &mut online)
        })
    };
    vec![
        case("five_lines_log_users_in", five_lines),
        case("every_client_gets_in_with_five_lines", clients),
        case("a_token_for_others_is_refused", foreign),
        case("a_rotation_is_followed", rotation),
        case(
            "opaque_tokens_are_introspected_and_revocations_noticed",
            introspection,
        ),
        case("a_signed_answer_is_taken", signed_answers),
        case("userinfo_is_asked_where_that_is_allowed", userinfo),
        case("groups_scopes_and_domains_are_required", requirements),
        case("passwords_are_exchanged_for_tokens", passwords),
        case("a_provider_that_is_away_is_a_temporary_failure", outage),
        case("a_provider_that_is_frozen_delays_nobody_else", frozen),
        case(
            "a_start_without_the_provider_uses_the_kept_keys",
            start_alone,
        ),
    ]
}

fn five_lines_text() -> String {
    format!(
        "listen = \"tcp:127.0.0.1:{ONLINE_GATEPOST}\"\n\n[[provider]]\n\
         issuer = \"http://127.0.0.1:{PORT}\"\naudience = \"mail\"\n"
    )
}

pub(crate) fn open(lab: &Lab) -> io::Result<MutexGuard<'static, Online>> {
    if ONLINE_LAB.get().is_none() {
        let directory = lab.directory_for("online")?;
        let provider = OidcProvider::start(&roots::directory()?, PORT, &directory)?;
        let listener = Address::port(ONLINE_GATEPOST);
        let configuration = Configuration::write_text(directory, listener, &five_lines_text())?;
        let daemon = Daemon::start(&configuration)?;
        // Cases run one after the other.
        let _ = ONLINE_LAB.set(Mutex::new(Online {
            provider,
            configuration,
            daemon,
        }));
    }
    let online = ONLINE_LAB
        .get()
        .ok_or_else(|| io::Error::other("not open"))?;
    Ok(online.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Online {
    /// A token that no log may hold.
    pub(crate) fn token(&self, lab: &Lab, kind: Kind, audience: &str) -> io::Result<String> {
        let token = self.provider.token(USER, kind, audience)?;
        Ok(lab.logins.remember(token))
    }

    /// Lets the daemon read the five lines and these.
    pub(crate) fn configure(&self, lines: &str) -> io::Result<()> {
        let text = format!(
            "{}cache_seconds = 0\nnegative_cache_seconds = 0\n{lines}",
            five_lines_text()
        );
        let text = format!("log = {{ format = \"json\" }}\n{text}");
        let reloads = || self.daemon.logged().matches("reloaded").count();
        let before = reloads();
        self.configuration.write_file(&text)?;
        self.daemon.reload()?;
        wait_until("the reload", || reloads() > before)
    }
}

pub(crate) fn client_lines() -> String {
    let (id, secret) = RESOURCE_SERVER;
    format!("client_id = \"{id}\"\nclient_secret = \"{secret}\"\n")
}

/// One login with `token` through Postfix.
fn log_in(mechanism: Mechanism, token: &str) -> io::Result<Ending> {
    let mut session = Session::open(&Address::port(ONLINE))?;
    let response = mechanism.response(token);
    let when = InitialResponse::AfterChallenge;
    session.authenticate(mechanism.name(), &response, when, mechanism.answer())
}

fn accept(token: &str) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        let ending = log_in(mechanism, token)?;
        assert_eq!(
            (ending.reply.code, &ending.challenge),
            (235, &None),
            "{ending:?}"
        );
    }
    Ok(())
}

/// Refused with a challenge that says `status`, and a final reply.
fn refuse(token: &str, status: &str) -> Result<(), Failed> {
    let ending = log_in(Mechanism::OauthBearer, token)?;
    let challenge: Value = serde_json::from_slice(&ending.challenge.clone().unwrap_or_default())?;
    assert_eq!(challenge["status"], status, "{ending:?}");
    let metadata = format!("http://127.0.0.1:{PORT}/.well-known/openid-configuration");
    assert_eq!(challenge["openid-configuration"], json!(metadata));
    assert_eq!(ending.reply.code, 535, "{ending:?}");
    Ok(())
}

/// Refused for now: no challenge, `code=temp_fail` on the socket, and a text that says so.
fn refuse_for_now(token: &str) -> Result<(), Failed> {
    let ending = log_in(Mechanism::Xoauth2, token)?;
    assert_eq!(
        (ending.reply.code, &ending.challenge),
        (535, &None),
        "{ending:?}"
    );
    assert!(
        ending.reply.text.contains("Temporary failure"),
        "{ending:?}"
    );
    let mut client = AuthClient::open(&Address::port(ONLINE_GATEPOST))?;
    client.request("XOAUTH2", &Mechanism::Xoauth2.response(token))?;
    let (_, answer) = client.answer()?;
    let Answer::Fail(fields) = &answer else {
        return Err(format!("{answer:?}").into());
    };
    assert!(
        fields.iter().any(|field| field == "code=temp_fail"),
        "{answer:?}"
    );
    Ok(())
}

fn five_lines(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    for algorithm in ALGORITHMS {
        accept(&online.token(lab, Kind::Jwt(algorithm), "mail")?)?;
    }
    // A shared secret is not published, and would be none if it were.
    refuse(
        &online.token(lab, Kind::Jwt("HS256"), "mail")?,
        "invalid_token",
    )?;
    refuse(&online.token(lab, Kind::Opaque, "mail")?, "invalid_token")
}

fn clients(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    for client in Client::ALL {
        let token = online.token(lab, Kind::Jwt("ES256"), "mail")?;
        let server = Address::port(ONLINE);
        let said = client.submit(&lab.mail_root(), &server, Mechanism::OauthBearer, &token)?;
        assert!(
            said.accepted_mail && said.client_is_content,
            "{client:?} {said:?}"
        );
    }
    Ok(())
}

fn foreign(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    refuse(
        &online.token(lab, Kind::Jwt("RS256"), "calendar")?,
        "invalid_token",
    )?;
    let bob = online
        .provider
        .token("bob@example.test", Kind::Jwt("RS256"), "mail")?;
    refuse(&lab.logins.remember(bob), "invalid_token")
}

fn rotation(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    let old = online.token(lab, Kind::Jwt("ES256"), "mail")?;
    accept(&old)?;
    online.provider.rotate()?;
    accept(&online.token(lab, Kind::Jwt("ES256"), "mail")?)?;
    accept(&online.token(lab, Kind::Jwt("RS256"), "mail")?)?;
    // The set was fetched a moment ago, so it is not fetched again; the token is too young to be judged
    // by its absence, which the client may take as it is: it has a better one.
    let ending = log_in(Mechanism::Xoauth2, &old)?;
    assert_eq!(ending.reply.code, 535, "{ending:?}");
    Ok(())
}

fn introspection(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    online.configure(&client_lines())?;
    let token = online.token(lab, Kind::Opaque, "mail")?;
    accept(&token)?;
    refuse(
        &online.token(lab, Kind::Opaque, "calendar")?,
        "invalid_token",
    )?;
    // Its `client_id` is "mail": no audience all the same.
    refuse(&online.token(lab, Kind::Plain, "mail")?, "invalid_token")?;
    online.provider.revoke(&token)?;
    refuse(&token, "invalid_token")?;
    refuse("never-issued", "invalid_token")?;
    // JWTs need nobody.
    accept(&online.token(lab, Kind::Jwt("ES256"), "mail")?)?;
    // Our own wrong credentials are no fault of the token's.
    online.configure("client_id = \"rs\"\nclient_secret = \"wrong\"\n")?;
    refuse_for_now(&online.token(lab, Kind::Opaque, "mail")?)
}

fn signed_answers(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    online.configure(&format!("{}signed_answers = true\n", client_lines()))?;
    let token = online.token(lab, Kind::Opaque, "mail")?;
    accept(&token)?;
    online.provider.revoke(&token)?;
    refuse(&token, "invalid_token")
}

fn userinfo(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    online.configure("userinfo = true\nusername_claims = [\"email\"]\n")?;
    let words = "userinfo = true: opaque tokens are shown to userinfo";
    assert!(
        online.daemon.logged().contains(words),
        "it is named in the log"
    );
    let token = online.token(lab, Kind::Plain, "mail")?;
    accept(&token)?;
    online.provider.revoke(&token)?;
    refuse(&token, "invalid_token")
}

fn requirements(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    let token = online.token(lab, Kind::Jwt("ES256"), "mail")?;
    for (lines, status) in [
        (
            "require = { groups = \"mail\" }\nscopes = [\"mail\"]\ndomains = [\"example.test\"]\n",
            None,
        ),
        (
            "require = { groups = \"admins\" }\n",
            Some("insufficient_scope"),
        ),
        ("scopes = [\"calendar\"]\n", Some("insufficient_scope")),
        ("domains = [\"example.org\"]\n", Some("invalid_token")),
    ] {
        online.configure(lines)?;
        match status {
            None => accept(&token)?,
            Some(status) => refuse(&token, status)?,
        }
    }
    Ok(())
}

/// What `lines`, each sent when the server asks for one, end with.
fn exchange_password(mechanism: &str, lines: &[&[u8]]) -> io::Result<Answer> {
    let mut client = AuthClient::open(&Address::port(ONLINE_GATEPOST))?;
    let [first, rest @ ..] = lines else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let id = client.request(mechanism, first)?;
    let mut rest = rest.iter();
    loop {
        let (_, answer) = client.answer()?;
        match (answer, rest.next()) {
            (Answer::Continue(_), Some(line)) => client.reply(id, &STANDARD.encode(line))?,
            (answer, _) => return Ok(answer),
        }
    }
}

fn passwords(_: &Lab, online: &mut Online) -> Result<(), Failed> {
    let (id, secret) = CLIENT;
    // What is granted without a resource names no audience.
    online.configure(&format!(
        "client_id = \"{id}\"\nclient_secret = \"{secret}\"\nallow_missing_audience = true\n\
         grant_url = \"http://127.0.0.1:{PORT}/token\"\ngrant_scope = \"openid email mail\"\n"
    ))?;
    let good = format!("\0{USER}\0password");
    let wrong = format!("\0{USER}\0wrong");
    let taken = Answer::Ok {
        user: USER.to_owned(),
    };
    assert_eq!(exchange_password("PLAIN", &[good.as_bytes()])?, taken);
    let steps: [&[u8]; 2] = [USER.as_bytes(), b"password"];
    assert_eq!(exchange_password("LOGIN", &steps)?, taken);
    let Answer::Fail(fields) = exchange_password("PLAIN", &[wrong.as_bytes()])? else {
        return Err("a wrong password is refused".into());
    };
    assert!(
        !fields.iter().any(|field| field.starts_with("code=")),
        "{fields:?}"
    );
    online.provider.freeze()?;
    let answer = exchange_password("PLAIN", &[good.as_bytes()]);
    online.provider.thaw()?;
    let Answer::Fail(fields) = answer? else {
        return Err("nobody vouches for a password".into());
    };
    assert!(
        fields.iter().any(|field| field == "code=temp_fail"),
        "{fields:?}"
    );
    Ok(())
}

fn outage(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    online.configure(&client_lines())?;
    let jwt = online.token(lab, Kind::Jwt("ES256"), "mail")?;
    let opaque = online.token(lab, Kind::Opaque, "mail")?;
    accept(&opaque)?;
    online.provider.kill();
    accept(&jwt)?;
    refuse_for_now(&opaque)?;
    refuse_for_now("never-issued")?;
    // All its tokens are gone with it, and it says so as soon as it is back.
    online.provider.restart()?;
    wait_until("the provider to be asked again", || {
        refuse_quietly(&opaque).unwrap_or(false)
    })?;
    accept(&online.token(lab, Kind::Opaque, "mail")?)?;
    accept(&jwt)
}

/// Whether the client is told that the token is bad.
fn refuse_quietly(token: &str) -> io::Result<bool> {
    Ok(log_in(Mechanism::OauthBearer, token)?.challenge.is_some())
}

fn frozen(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    online.configure(&client_lines())?;
    let jwt = online.token(lab, Kind::Jwt("ES256"), "mail")?;
    let opaque = online.token(lab, Kind::Opaque, "mail")?;
    online.provider.freeze()?;
    let mut waiting = AuthClient::open(&Address::port(ONLINE_GATEPOST))?;
    let asked = waiting.request("XOAUTH2", &Mechanism::Xoauth2.response(&opaque))?;
    // It came later, on the same connection, and is answered first.
    let verified = waiting.request("XOAUTH2", &Mechanism::Xoauth2.response(&jwt))?;
    let (id, answer) = waiting.answer()?;
    assert!(
        id == verified && matches!(answer, Answer::Ok { .. }),
        "{answer:?}"
    );
    let (id, answer) = waiting.answer()?;
    assert!(
        id == asked && matches!(answer, Answer::Fail(_)),
        "{answer:?}"
    );
    online.provider.thaw()?;
    wait_until("the provider to be asked again", || {
        log_in(Mechanism::OauthBearer, &opaque).is_ok_and(|ending| ending.reply.code == 235)
    })?;
    Ok(())
}

fn start_alone(lab: &Lab, online: &mut Online) -> Result<(), Failed> {
    let state = lab.directory_for("online-state")?;
    let jwt = online.token(lab, Kind::Jwt("ES256"), "mail")?;
    let text = format!(
        "state_directory = \"{}\"\n{}",
        state.display(),
        five_lines_text()
    );
    online.configuration.write_file(&text)?;
    for _ in 0..2 {
        online.daemon.terminate()?;
        online.daemon = Daemon::start(&online.configuration)?;
        // Postfix notices over TCP that the old one is gone only when it asks.
        let mut client = AuthClient::open(&Address::port(ONLINE_GATEPOST))?;
        client.request("XOAUTH2", &Mechanism::Xoauth2.response(&jwt))?;
        let (_, answer) = client.answer()?;
        assert!(matches!(answer, Answer::Ok { .. }), "{answer:?}");
        // The second time there is nobody to ask.
        online.provider.kill();
    }
    assert_eq!(fs::read_dir(state)?.count(), 1);
    online.provider.restart()?;
    Ok(())
}
