//! The firmware of the appliance behind a real Postfix, with a real provider.

use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gatepost_tests::appliance::{self, Appliance, Boot};
use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::clients::Client;
use gatepost_tests::daemon::wait_until;
use gatepost_tests::lab::{APPLIANCE, APPLIANCE_GATEPOST, Lab};
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::oidc_provider::{Kind, OidcProvider};
use gatepost_tests::roots;
use gatepost_tests::smtp::{Ending, InitialResponse, Session};
use gatepost_tests::stream::Address;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Case;

/// The images of these cases, by their configurations in `tests/appliance`.
pub(crate) const IMAGES: [&str; 3] = ["online", "online-an500", "online-an505"];

const PROVIDER: u16 = 13200;
const TIME: u16 = 12300;
const OTHER_BOARD: u16 = 12351;
const M33_BOARD: u16 = 12358;

/// Those of the other boards.
const CONNECTIONS: usize = 64;

/// Signatures of everything that a device verifies, HMAC by a secret that is part of its image.
const ALGORITHMS: [&str; 9] = [
    "HS256", "RS256", "RS512", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
];

struct Device {
    appliance: Appliance,
    provider: OidcProvider,
}

static DEVICE: OnceLock<Mutex<Device>> = OnceLock::new();

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, check: fn(&Lab, &mut Device) -> Result<(), Failed>| {
        Case::new(format!("appliance::{name}"), move |lab| {
            let mut device = open(lab)?;
            let logged = device.appliance.logged();
            let outcome = check(lab, &mut device);
            if outcome.is_err() {
                let now = device.appliance.logged();
                println!(
                    "the device logged:\n{}",
                    now.get(logged.len()..).unwrap_or(&now)
                );
            }
            outcome
        })
    };
    vec![
        case("every_algorithm_logs_users_in", every_algorithm),
        case("clients_get_in_through_postfix", clients),
        case("a_bad_token_is_told_what_it_is", bad_tokens),
        case("opaque_tokens_are_asked_about", opaque),
        case("long_opaque_tokens_stop_nobody", long_opaque),
        case("a_rotation_is_followed", rotation),
        case("of_more_keys_than_fit_the_wanted_one_is_found", many_keys),
        case("clients_that_leave_lock_nobody_out", leaving),
        case("garbage_and_silence_end_alone", garbage),
        case("eight_clients_at_once_get_in", at_once),
        case(
            "a_provider_that_is_away_or_silent_stops_no_other_login",
            outage,
        ),
        case("five_thousand_logins_leave_it_as_it_was", endurance),
        case("static_memory_and_stack_stay_within_96_kib", memory),
        case(
            "the_other_board_does_the_same_with_keys_of_4096_bits_and_64_connections",
            other_board,
        ),
        case("a_cortex_m33_does_the_same", cortex_m33),
    ]
}

fn open(lab: &Lab) -> io::Result<MutexGuard<'static, Device>> {
    if DEVICE.get().is_none() {
        let directory = lab.directory_for("appliance")?;
        serve_time()?;
        let provider = OidcProvider::start(&roots::directory()?, PROVIDER, &directory)?;
        let boot = Boot::new(IMAGES[0], "mps2-an386", APPLIANCE_GATEPOST, &directory);
        let appliance = Appliance::start(&boot)?;
        appliance.wait_for("provider found")?;
        // Cases run one after the other.
        let _ = DEVICE.set(Mutex::new(Device {
            appliance,
            provider,
        }));
    }
    let device = DEVICE.get().ok_or_else(|| io::Error::other("not open"))?;
    Ok(device.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Tells devices the time, from the first case that needs it on.
fn serve_time() -> io::Result<()> {
    static SERVED: OnceLock<()> = OnceLock::new();
    match SERVED.set(()) {
        Ok(()) => appliance::serve_time(TIME),
        Err(()) => Ok(()),
    }
}

impl Device {
    /// A token that no log may hold.
    fn token(&self, lab: &Lab, kind: Kind, audience: &str) -> io::Result<String> {
        let token = self.provider.token(USER, kind, audience)?;
        Ok(lab.logins.remember(token))
    }

    fn client(&self) -> io::Result<AuthClient> {
        self.appliance.client()
    }
}

/// The end of one login over the auth protocol, and the challenge before it.
pub(crate) fn log_in(
    client: &mut AuthClient,
    mechanism: Mechanism,
    token: &str,
) -> io::Result<(Option<Value>, Answer)> {
    let id = client.request(mechanism.name(), &mechanism.response(token))?;
    match client.answer()? {
        (_, Answer::Continue(json)) => {
            client.reply(id, mechanism.answer())?;
            let json = serde_json::from_slice(&json).map_err(io::Error::other)?;
            Ok((Some(json), client.answer()?.1))
        }
        (_, answer) => Ok((None, answer)),
    }
}

pub(crate) fn accept(client: &mut AuthClient, token: &str) -> Result<(), Failed> {
    for mechanism in Mechanism::ALL {
        let user = USER.to_owned();
        assert_eq!(
            log_in(client, mechanism, token)?,
            (None, Answer::Ok { user })
        );
    }
    Ok(())
}

pub(crate) fn refuse(client: &mut AuthClient, token: &str, reason: &str) -> Result<(), Failed> {
    for (mechanism, status) in [
        (Mechanism::Xoauth2, "401"),
        (Mechanism::OauthBearer, "invalid_token"),
    ] {
        let (challenge, answer) = log_in(client, mechanism, token)?;
        let challenge =
            challenge.ok_or_else(|| format!("{reason}: no challenge, but {answer:?}"))?;
        assert_eq!(challenge["status"], status, "{reason}");
        assert!(
            format!("{answer:?}").contains(reason),
            "{reason}: {answer:?}"
        );
    }
    Ok(())
}

pub(crate) fn refuse_for_now(client: &mut AuthClient, token: &str) -> Result<(), Failed> {
    let (challenge, answer) = log_in(client, Mechanism::Xoauth2, token)?;
    let Answer::Fail(fields) = &answer else {
        return Err(format!("{answer:?}").into());
    };
    assert!(
        challenge.is_none() && fields.contains(&"code=temp_fail".to_owned()),
        "{answer:?}"
    );
    Ok(())
}

fn every_algorithm(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let mut client = device.client()?;
    for algorithm in ALGORITHMS {
        accept(
            &mut client,
            &device.token(lab, Kind::Jwt(algorithm), "mail")?,
        )?;
    }
    Ok(())
}

fn clients(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    for (client, algorithm) in [
        (Client::Curl, "RS256"),
        (Client::Curl, "HS256"),
        (Client::Smtplib, "ES256"),
        (Client::Smtplib, "Ed25519"),
    ] {
        let token = device.token(lab, Kind::Jwt(algorithm), "mail")?;
        let server = Address::port(APPLIANCE);
        let said = client.submit(&lab.mail_root(), &server, Mechanism::OauthBearer, &token)?;
        assert!(
            said.accepted_mail && said.client_is_content,
            "{client:?} {said:?}"
        );
    }
    Ok(())
}

fn through_postfix(token: &str) -> io::Result<Ending> {
    let mut session = Session::open(&Address::port(APPLIANCE))?;
    let mechanism = Mechanism::OauthBearer;
    let response = mechanism.response(token);
    let when = InitialResponse::AfterChallenge;
    session.authenticate(mechanism.name(), &response, when, mechanism.answer())
}

fn bad_tokens(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let mut client = device.client()?;
    let good = device.token(lab, Kind::Jwt("ES256"), "mail")?;
    let (rest, signature) = good.rsplit_once('.').ok_or("a JWS")?;
    let mut forged: Vec<char> = signature.chars().collect();
    forged[9] = if forged[9] == 'A' { 'B' } else { 'A' };
    let forged: String = forged.into_iter().collect();
    refuse(
        &mut client,
        &format!("{rest}.{forged}"),
        "signature does not hold",
    )?;
    let foreign = device.token(lab, Kind::Jwt("RS256"), "calendar")?;
    refuse(&mut client, &foreign, "another audience")?;
    refuse(&mut client, &shared(lab, -600)?, "has expired")?;
    accept(&mut client, &shared(lab, 60)?)?;
    let ending = through_postfix(&foreign)?;
    assert_eq!(ending.reply.code, 535, "{ending:?}");
    assert!(ending.challenge.is_some(), "{ending:?}");
    let bob = device
        .provider
        .token("bob@example.test", Kind::Jwt("ES256"), "mail")?;
    refuse(&mut client, &lab.logins.remember(bob), "another user")
}

/// A token signed with the secret that is part of the image, which expires in `seconds`.
fn shared(lab: &Lab, seconds: i64) -> Result<String, Failed> {
    shared_with(lab, seconds, "")
}

/// As [`shared`], with a claim that makes it longer.
fn shared_with(lab: &Lab, seconds: i64, padding: &str) -> Result<String, Failed> {
    let jwk_set: Value = serde_json::from_str(include_str!("../../appliance/secret.json"))?;
    let secret = jwk_set["keys"][0]["k"].as_str().ok_or("a secret")?;
    let key = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(secret)?);
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let now = i64::try_from(since.as_secs())?;
    let issuer = format!("http://127.0.0.1:{PROVIDER}");
    let claims = json!({
        "iss": issuer, "aud": "mail", "sub": USER, "iat": now - 3600, "exp": now + seconds,
        "padding": padding,
    });
    let header = Header::new(Algorithm::HS256);
    Ok(lab
        .logins
        .remember(jsonwebtoken::encode(&header, &claims, &key)?))
}

fn opaque(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let mut client = device.client()?;
    let token = device.token(lab, Kind::Opaque, "mail")?;
    accept(&mut client, &token)?;
    device.provider.revoke(&token)?;
    refuse(&mut client, &token, "not good any more")?;
    refuse(&mut client, "never-issued", "not good any more")?;
    refuse(
        &mut client,
        &device.token(lab, Kind::Opaque, "calendar")?,
        "another audience",
    )
}

// D2: percent-encoded, each is longer than any answer.
fn long_opaque(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let mut client = device.client()?;
    for _ in 0..5 {
        refuse(&mut client, &"+".repeat(3500), "not good any more")?;
    }
    accept(&mut client, &device.token(lab, Kind::Opaque, "mail")?)
}

fn rotation(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    device.provider.rotate()?;
    let mut client = device.client()?;
    accept(&mut client, &device.token(lab, Kind::Jwt("ES256"), "mail")?)?;
    accept(&mut client, &device.token(lab, Kind::Jwt("RS256"), "mail")?)
}

// D4: a key for which there was no room counted as one that the provider does not have.
fn many_keys(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let mut tokens = Vec::new();
    for _ in 0..3 {
        device.provider.rotate_keeping()?;
        for algorithm in ["RS256", "ES256"] {
            tokens.push(device.token(lab, Kind::Jwt(algorithm), "mail")?);
        }
    }
    let mut client = device.client()?;
    for token in tokens.iter().rev() {
        accept_in_time(&mut client, token)?;
    }
    let logged = device.appliance.logged();
    assert!(logged.contains("no room for all keys"), "there is room");
    device.provider.rotate()?;
    let token = device.token(lab, Kind::Jwt("RS256"), "mail")?;
    accept_in_time(&mut client, &token)
}

/// Looks at the provider are few: a login may have to wait for one, but is never refused.
fn accept_in_time(client: &mut AuthClient, token: &str) -> Result<(), Failed> {
    let mut refused = None;
    wait_until("room for a key", || {
        let ended = log_in(client, Mechanism::Xoauth2, token);
        let Ok((challenge, answer)) = ended else {
            return false;
        };
        refused = refused.take().or(challenge);
        matches!(answer, Answer::Ok { .. })
    })?;
    assert_eq!(refused, None, "there is such a key");
    Ok(())
}

fn leaving(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let bad = device.token(lab, Kind::Jwt("ES256"), "calendar")?;
    for _ in 0..16 {
        let mut client = device.client()?;
        client.request("XOAUTH2", &Mechanism::Xoauth2.response(&bad))?;
        assert!(matches!(client.answer()?, (_, Answer::Continue(_))));
    }
    let mut client = device.client()?;
    accept(&mut client, &device.token(lab, Kind::Jwt("ES256"), "mail")?)?;
    // The same on one connection, as Postfix leaves them behind.
    for _ in 0..16 {
        client.request("XOAUTH2", &Mechanism::Xoauth2.response(&bad))?;
        assert!(matches!(client.answer()?, (_, Answer::Continue(_))));
    }
    accept(&mut client, &device.token(lab, Kind::Jwt("RS256"), "mail")?)
}

fn garbage(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let mut silent = Vec::new();
    for words in [
        "",
        "VERSION\t1\t1\n",
        "VERSION\t1\t1\nCPID\t1\nAUTH\t1\tXOAUTH2\tservice=smtp\tresp=QUFB",
    ] {
        let mut stream = device.appliance.address.connect()?;
        stream.write_all(words.as_bytes())?;
        silent.push(stream);
    }
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 3000],
        b"VERSION\t1\t1\nCPID\t1\nAUTH\t0\tXOAUTH2\n",
        &[b'A'; 16_000],
    ] {
        let mut stream = device.appliance.address.connect()?;
        // It is cut off while it still speaks.
        let _ = stream.write_all(bytes);
    }
    let mut client = device.client()?;
    let long = "x".repeat(9000);
    let response = Mechanism::Xoauth2.response(&long);
    client.request("XOAUTH2", &response)?;
    let (_, answer) = client.answer()?;
    assert!(format!("{answer:?}").contains("too long"), "{answer:?}");
    // The code of README.md, for whoever filters the log.
    device.appliance.wait_for("reason=response_too_long")?;
    accept(&mut client, &device.token(lab, Kind::Jwt("ES256"), "mail")?)?;
    assert_eq!(device.appliance.starts(), 1);
    Ok(())
}

fn at_once(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let token = device.token(lab, Kind::Jwt("RS256"), "mail")?;
    let appliance = &device.appliance;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| -> io::Result<()> {
                    let mut client = appliance.client()?;
                    for _ in 0..20 {
                        let (_, answer) = log_in(&mut client, Mechanism::Xoauth2, &token)?;
                        if !matches!(answer, Answer::Ok { .. }) {
                            return Err(io::Error::other(format!("{answer:?}")));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        let mut ended = clients
            .into_iter()
            .map(|client| client.join().expect("a client ends"));
        ended.try_for_each(|ended| ended)
    })?;
    Ok(())
}

fn outage(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let jwt = device.token(lab, Kind::Jwt("ES256"), "mail")?;
    let opaque = device.token(lab, Kind::Opaque, "mail")?;
    let mut client = device.client()?;
    let mut waiting = device.client()?;
    device.provider.freeze()?;
    let frozen = (|| {
        waiting.request("XOAUTH2", &Mechanism::Xoauth2.response(&opaque))?;
        accept(&mut client, &jwt)?;
        Ok::<_, Failed>(waiting.answer()?.1)
    })();
    device.provider.thaw()?;
    let answer = frozen?;
    assert!(format!("{answer:?}").contains("temp_fail"), "{answer:?}");
    device.provider.kill();
    accept(&mut client, &jwt)?;
    refuse_for_now(&mut client, &opaque)?;
    device.provider.restart()?;
    let opaque = device.token(lab, Kind::Opaque, "mail")?;
    wait_until("the provider's return", || {
        let answer = log_in(&mut client, Mechanism::Xoauth2, &opaque);
        matches!(answer, Ok((_, Answer::Ok { .. })))
    })?;
    Ok(())
}

fn endurance(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    let mut client = device.client()?;
    let tokens: Vec<String> = ["HS256", "RS256", "ES256"]
        .iter()
        .map(|algorithm| device.token(lab, Kind::Jwt(algorithm), "mail"))
        .collect::<io::Result<_>>()?;
    let bad = device.token(lab, Kind::Jwt("HS256"), "calendar")?;
    for number in 0..5000 {
        if number % 250 == 0 {
            refuse(&mut client, &bad, "another audience")?;
            client = device.client()?;
        }
        let token = match number % 10 {
            0 => &tokens[2],
            odd if odd % 2 == 1 => &tokens[0],
            _ => &tokens[1],
        };
        let (_, answer) = log_in(&mut client, Mechanism::Xoauth2, token)?;
        assert!(matches!(answer, Answer::Ok { .. }), "{number}: {answer:?}");
    }
    assert_eq!(device.appliance.starts(), 1, "it never restarted");
    Ok(())
}

/// After everything above, so that each algorithm has been at work.
fn memory(_: &Lab, device: &mut Device) -> Result<(), Failed> {
    let (statics, stack) = device.appliance.memory()?;
    println!("static memory: {statics} bytes, stack: {stack}");
    assert!(statics + stack <= 96 * 1024);
    Ok(())
}

fn other_board(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    on_board(lab, device, IMAGES[1], "mps2-an500", OTHER_BOARD)
}

fn cortex_m33(lab: &Lab, device: &mut Device) -> Result<(), Failed> {
    on_board(lab, device, IMAGES[2], "mps2-an505", M33_BOARD)
}

/// Boots `image` on `board` and logs in with everything.
fn on_board(
    lab: &Lab,
    device: &mut Device,
    image: &str,
    board: &str,
    port: u16,
) -> Result<(), Failed> {
    device.provider.rotate_to(4096)?;
    let directory = lab.directory_for("appliance")?;
    let boot = Boot::new(image, board, port, &directory);
    let appliance = Appliance::start(&boot)?;
    let outcome = everything(lab, device, &appliance);
    if outcome.is_err() {
        println!("{board} logged:\n{}", appliance.logged());
    }
    outcome
}

fn everything(lab: &Lab, device: &Device, appliance: &Appliance) -> Result<(), Failed> {
    appliance.wait_for("provider found")?;
    let mut client = appliance.client()?;
    for algorithm in ALGORITHMS {
        accept(
            &mut client,
            &device.token(lab, Kind::Jwt(algorithm), "mail")?,
        )?;
    }
    refuse(
        &mut client,
        &device.token(lab, Kind::Jwt("ES256"), "calendar")?,
        "another audience",
    )?;
    accept(&mut client, &device.token(lab, Kind::Opaque, "mail")?)?;
    drop(client);
    full_house(lab, appliance)
}

/// Of each connection that the board takes one login, all at once, with the longest responses that it has room for.
fn full_house(lab: &Lab, appliance: &Appliance) -> Result<(), Failed> {
    let mut clients = (0..CONNECTIONS)
        .map(|_| appliance.client())
        .collect::<io::Result<Vec<_>>>()?;
    let token = shared_with(lab, 60, &"x".repeat(2300))?;
    assert!((3_200..4_096).contains(&token.len()), "{}", token.len());
    for client in &mut clients {
        client.request("XOAUTH2", &Mechanism::Xoauth2.response(&token))?;
    }
    for client in &mut clients {
        let user = USER.to_owned();
        assert_eq!(client.answer()?.1, Answer::Ok { user });
    }
    assert_eq!(appliance.starts(), 1);
    Ok(())
}
