//! The appliance on a board of QEMU's, for whoever wants to try it: what `cargo xtask qemu` is made of.
//!
//! `board prepare DIRECTORY` writes a configuration there with the keys of an issuer that is thrown away,
//! and two of its tokens; `board serve IMAGE CONFIGURATION` boots an image and leaves it serving, or with
//! `--once` logs in with the tokens beside the configuration and ends; `board login PORT USER < TOKEN` is
//! one login; `board lacking` names what this machine lacks, one reason a line.

use std::fs;
use std::io::{self, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, ExitCode};
use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_tests::auth_client::{Answer, AuthClient};
use gatepost_tests::daemon::wait_until;
use gatepost_tests::login::{AUDIENCE, ISSUER, USER};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stream::Address;
use gatepost_tests::{appliance, emulators};
use serde_json::{Value, json};

/// Where the device is reached and where it asks for the time, on the loopback of its host, if these are free.
const LISTEN: u16 = 12345;
const TIME: u16 = 12300;

/// What the device calls its host.
const HOST: &str = "10.0.2.2";

/// The longest token that is worth sending, in bytes.
const MAX_TOKEN: u64 = 16_384;

/// Keys that the device verifies with; all but HMAC's, for which the issuer would share its secret.
const ALGORITHMS: [&str; 5] = ["ES256", "ES384", "ES512", "RS256", "EdDSA"];

const GOOD: &str = "good";
const EXPIRED: &str = "expired";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["prepare", directory] => prepare(Path::new(directory)),
        ["serve", image, configuration] => serve(Path::new(image), Path::new(configuration), false),
        ["serve", image, configuration, "--once"] => {
            serve(Path::new(image), Path::new(configuration), true)
        }
        ["lacking"] => {
            for reason in emulators::lacking("qemu-system-arm") {
                println!("{reason}");
            }
            Ok(())
        }
        ["login", port, user] => login(port, user),
        _ => Err(io::Error::other(
            "prepare DIRECTORY | serve IMAGE CONFIGURATION [--once] | login PORT USER < TOKEN",
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("board: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prepare(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let issuer = Issuer::new();
    let keys = json!({"keys": ALGORITHMS.map(|algorithm| issuer.jwk(algorithm))});
    fs::write(directory.join("keys.json"), keys.to_string())?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_err(io::Error::other)?.as_secs();
    for (name, expires) in [(GOOD, now + 86_400), (EXPIRED, now - 60)] {
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "1", "email": USER, "iat": now - 3600, "exp": expires,
        });
        fs::write(directory.join(name), issuer.sign("ES256", &claims))?;
    }
    let listen =
        TcpListener::bind(("127.0.0.1", LISTEN)).or_else(|_| TcpListener::bind("127.0.0.1:0"))?;
    let time = UdpSocket::bind(("127.0.0.1", TIME)).or_else(|_| UdpSocket::bind("127.0.0.1:0"))?;
    let (listen, time) = (listen.local_addr()?.port(), time.local_addr()?.port());
    let configuration = format!(
        "board = \"mps2-an386\"\n\n[listen]\nport = {listen}\n\n[time]\nserver = \"{HOST}:{time}\"\n\n\
         [[provider]]\nissuer = \"{ISSUER}\"\naudience = \"{AUDIENCE}\"\n\
         username_claims = [\"email\"]\nkeys = \"keys.json\"\n"
    );
    fs::write(directory.join("appliance.toml"), configuration)
}

/// A board that ends with whoever started it.
struct Board(Child);

impl Drop for Board {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

fn serve(image: &Path, configuration: &Path, once: bool) -> io::Result<()> {
    let settings: toml::Table = fs::read_to_string(configuration)?
        .parse()
        .map_err(io::Error::other)?;
    let board = settings.get("board").and_then(toml::Value::as_str);
    let port = settings.get("listen").and_then(|listen| listen.get("port"));
    let port = port
        .and_then(toml::Value::as_integer)
        .unwrap_or(LISTEN.into());
    let port = u16::try_from(port).map_err(io::Error::other)?;
    let time = settings.get("time").and_then(|time| time.get("server"));
    let time = time.and_then(toml::Value::as_str).unwrap_or_default();
    if let Some((HOST, port)) = time.split_once(':') {
        appliance::serve_time(port.parse().map_err(io::Error::other)?)?;
    }
    let network = appliance::host_network(port, port);
    let child = appliance::emulator(image, board.unwrap_or("mps2-an386"))?
        .args(["-nic", &format!("{network},model=lan9118")])
        .args(["-serial", "stdio"])
        .spawn()?;
    let mut board = Board(child);
    let directory = configuration.parent().unwrap_or(Path::new("."));
    wait_for_answers(&mut board.0, port, directory)?;
    if once {
        return log_both_in(directory, port);
    }
    println!("\nThe gateway answers at 127.0.0.1:{port}. In another terminal:");
    if directory.join(GOOD).is_file() {
        for name in [GOOD, EXPIRED] {
            let token = directory.join(name);
            println!("  cargo xtask login {port} {USER} < {}", token.display());
        }
    } else {
        println!("  cargo xtask login {port} USER < TOKEN");
    }
    println!("Postfix uses it by `smtpd_sasl_path = inet:127.0.0.1:{port}`. Ctrl-C ends it.\n");
    let status = board.0.wait()?;
    Err(io::Error::other(format!("the board ended: {status}")))
}

/// Waits until a good login succeeds, for which the device has to know the time; without a token for one,
/// until any is answered.
fn wait_for_answers(board: &mut Child, port: u16, directory: &Path) -> io::Result<()> {
    let good = fs::read_to_string(directory.join(GOOD)).ok();
    let token = good.as_deref().unwrap_or("none");
    let mut ended = None;
    wait_until("the gateway's answer", || {
        ended = board.try_wait().ok().flatten();
        let answered = attempt(port, USER, token)
            .is_ok_and(|(_, answer)| good.is_none() || matches!(answer, Answer::Ok { .. }));
        ended.is_some() || answered
    })?;
    match ended {
        None => Ok(()),
        Some(status) => Err(io::Error::other(format!(
            "the board ended ({status}); is port {port} free?"
        ))),
    }
}

fn log_both_in(directory: &Path, port: u16) -> io::Result<()> {
    for (name, is_good) in [(GOOD, true), (EXPIRED, false)] {
        let token = fs::read_to_string(directory.join(name))?;
        let (challenge, answer) = attempt(port, USER, &token)?;
        println!("{name}: {}", told(challenge.as_ref(), &answer));
        if matches!(answer, Answer::Ok { .. }) != is_good {
            return Err(io::Error::other(format!("{name}: the wrong verdict")));
        }
    }
    Ok(())
}

fn login(port: &str, user: &str) -> io::Result<()> {
    let port = port.parse().map_err(io::Error::other)?;
    let mut token = String::new();
    io::stdin().take(MAX_TOKEN).read_to_string(&mut token)?;
    let (challenge, answer) = attempt(port, user, token.trim())?;
    println!("{}", told(challenge.as_ref(), &answer));
    match answer {
        Answer::Ok { .. } => Ok(()),
        _ => Err(io::Error::other("not logged in")),
    }
}

/// One login with XOAUTH2: the challenge, if there was one, and the end.
fn attempt(port: u16, user: &str, token: &str) -> io::Result<(Option<Value>, Answer)> {
    let mut client = AuthClient::open(&Address::port(port))?;
    let response = format!("user={user}\x01auth=Bearer {token}\x01\x01");
    let id = client.request("XOAUTH2", response.as_bytes())?;
    match client.answer()?.1 {
        Answer::Continue(challenge) => {
            client.reply(id, "")?;
            let challenge = serde_json::from_slice(&challenge).map_err(io::Error::other)?;
            Ok((Some(challenge), client.answer()?.1))
        }
        answer => Ok((None, answer)),
    }
}

fn told(challenge: Option<&Value>, answer: &Answer) -> String {
    let end = match answer {
        Answer::Ok { user } => format!("OK, this is {user}"),
        Answer::Fail(fields) => format!("FAIL {}", fields.join(" ")),
        Answer::Continue(_) => "a second challenge".to_owned(),
    };
    match challenge {
        None => end,
        Some(challenge) => format!("{challenge}, then {end}"),
    }
}
