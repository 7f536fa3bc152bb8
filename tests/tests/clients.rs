//! What real mail clients send: their initial responses, and their replies to the failure challenge.
//!
//! Each recorded login runs through Dovecot's auth-client protocol, as a mail server would pass it on, and
//! through the exchange behind it; whole, and in single bytes.

use std::path::Path;
use std::sync::LazyLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gatepost_core::dovecot::{Connection, Event, FixedTable, Greeting, Login, MAX_RESPONSE};
use gatepost_core::exchange::{Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey};
use gatepost_core::sasl::{ClientResponse, Compat, Mechanism};
use gatepost_core::{Audience, Exchange, Policy, UnixTime};
use gatepost_tests::corpora::{self, json_files, read_json, trial};
use gatepost_tests::judge::{BACKENDS, PreparedKey};
use gatepost_tests::mint::Issuer;
use libtest_mimic::Trial;
use serde_json::{Value, json};

const NOW: i64 = 1_795_312_000;

static ISSUER: LazyLock<Issuer> = LazyLock::new(Issuer::new);
static KEY: LazyLock<PreparedKey> = LazyLock::new(|| {
    let [rustcrypto, _] = BACKENDS;
    rustcrypto
        .prepare(&ISSUER.jwk("HS256"))
        .expect("a usable key")
});

fn main() {
    let mut trials = vec![
        trial("a bare token under OAUTHBEARER fails cleanly", bare_token),
        trial(
            "a mail server that never sends the reply keeps its connection",
            silence,
        ),
    ];
    let files = json_files("clients");
    let left_out = if files.is_empty() {
        vec!["clients/*.json".to_owned()]
    } else {
        trials.push(trial("every behaviour was recorded", every_behaviour));
        vec![]
    };
    trials.extend(files.iter().map(|path| client(path)));
    corpora::run(trials, &left_out);
}

fn client(path: &Path) -> Trial {
    let name = path
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let samples = samples(path);
    trial(name, move || {
        assert!(!samples.is_empty());
        for sample in &samples {
            parses(sample);
            for piece in [usize::MAX, 1] {
                fails_once(sample, piece);
                logs_in(sample, piece);
            }
        }
    })
}

fn samples(path: &Path) -> Vec<Value> {
    read_json(path)["samples"]
        .as_array()
        .expect("samples")
        .clone()
}

/// The six of them; silence is what a closed connection looks like from here.
fn every_behaviour() {
    let samples = json_files("clients")
        .into_iter()
        .flat_map(|path| samples(&path));
    let mut seen: Vec<String> = samples
        .filter_map(|sample| sample["reply_behaviour"].as_str().map(str::to_owned))
        .collect();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5, "{seen:?}");
}

/// The initial response is strict enough for us, and says what was recorded of it.
fn parses(sample: &Value) {
    let message = message(sample);
    let response = ClientResponse::parse(mechanism(sample), Compat::Strict, &message);
    let response = response.expect("every client is strict enough");
    let (user, token) = recorded(sample);
    let authzid: Option<String> = response.authzid.map(|name| name.chars().collect());
    assert_eq!(authzid.as_deref(), Some(user));
    assert_eq!(response.token().expect("a token").expose(), token);
}

/// User and token, cut out of the recorded text.
fn recorded(sample: &Value) -> (&str, &str) {
    let decoded = text(&sample["ir_decoded"]);
    let (front, end) = match mechanism(sample) {
        Mechanism::OAuthBearer => ("n,a=", ",\x01"),
        _ => ("user=", "\x01"),
    };
    let (user, rest) = decoded
        .strip_prefix(front)
        .expect("a name")
        .split_once(end)
        .expect("its end");
    let (_, token) = rest.split_once("auth=Bearer ").expect("a token");
    (user, token.strip_suffix("\x01\x01").expect("an end"))
}

/// The recorded token is opaque, and nobody can be asked about it: it is refused with one challenge, and whatever the client replies to that
/// brings one FAIL.
fn fails_once(sample: &Value, piece: usize) {
    let mut server = Server::new(piece);
    server.auth(
        mechanism(sample),
        text(&sample["ir_base64"]),
        sample["sent_as_initial_response"] == true,
    );
    let status = match mechanism(sample) {
        Mechanism::OAuthBearer => "invalid_token",
        _ => "401",
    };
    let challenge: Value = serde_json::from_slice(&server.last_challenge()).expect("JSON");
    assert_eq!(challenge["status"], json!(status), "{sample}");
    assert_eq!(server.failures(), 0, "the failure waits for the reply");
    let (user, token) = recorded(sample);
    for reply in sample["client_reply_to_challenge"]
        .as_array()
        .into_iter()
        .flatten()
    {
        server.receive(&format!("CONT\t1\t{}\n", text(reply)));
        assert_eq!(server.replies, 1);
    }
    if server.replies == 0 {
        // It hung up: Dovecot cancels, Postfix says nothing.
        server.receive("CANCEL\t1\n");
        assert_eq!((server.failures(), server.cancelled), (0, 1));
    } else {
        assert_eq!(server.failures(), 1, "{}", server.out);
        assert!(
            server
                .out
                .contains(&format!("FAIL\t1\tuser={user}\treason=")),
            "{}",
            server.out
        );
    }
    assert_eq!(server.judged, ["opaque_token"], "no second attempt");
    assert!(!server.out.contains(token), "{}", server.out);
    server.still_serves();
}

/// The same message with a good token in the place of the recorded one.
fn logs_in(sample: &Value, piece: usize) {
    let (user, token) = recorded(sample);
    let claims = json!({"sub": user, "aud": "mail", "exp": NOW + 300});
    let stolen = with(&claims, "sub", json!("somebody@example.com"));
    for (claims, is_accepted) in [(claims, true), (stolen, false)] {
        let good = ISSUER.sign("HS256", &claims);
        let message = text(&sample["ir_decoded"]).replace(token, &good);
        let mut server = Server::new(piece);
        let is_initial = sample["sent_as_initial_response"] == true;
        server.auth(mechanism(sample), &STANDARD.encode(message), is_initial);
        if is_accepted {
            let ok = format!("OK\t1\tuser={user}\n");
            assert!(server.out.ends_with(&ok), "{}", server.out);
            assert!(server.judged.is_empty(), "{:?}", server.judged);
        } else {
            assert_eq!(server.judged, ["wrong_user"]);
            assert!(!server.out.contains("OK\t"), "{}", server.out);
        }
        assert!(!server.out.contains(&good), "{}", server.out);
        server.still_serves();
    }
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn bare_token() {
    for piece in [usize::MAX, 1] {
        let mut server = Server::new(piece);
        server.auth(
            Mechanism::OAuthBearer,
            &STANDARD.encode("TOKEN-abc.DEF_123~x"),
            true,
        );
        let challenge = String::from_utf8(server.last_challenge()).expect("UTF-8");
        assert_eq!(challenge, r#"{"status":"invalid_request"}"#);
        server.receive("CONT\t1\tAQ==\n");
        assert_eq!((server.failures(), server.replies), (1, 1));
        assert_eq!(server.judged, ["malformed_response"]);
        server.still_serves();
    }
}

fn silence() {
    let message = "user=user@example.com\x01auth=Bearer TOKEN-abc.DEF_123~x\x01\x01";
    let mut server = Server::new(usize::MAX);
    server.auth(Mechanism::XOAuth2, &STANDARD.encode(message), true);
    for id in 2..100 {
        server.receive(&format!(
            "AUTH\t{id}\tXOAUTH2\tservice=smtp\tresp={}\n",
            STANDARD.encode(message)
        ));
    }
    assert_eq!((server.judged.len(), server.failures()), (99, 0));
    assert!(
        server.connection.outstanding() <= 4,
        "logins that nobody ends are bounded"
    );
    server.still_serves();
}

/// An auth client's peer without sockets: judges with a core that knows one key.
struct Server {
    connection: Connection<FixedTable<4>>,
    /// How many bytes arrive at a time.
    piece: usize,
    buffer: Vec<u8>,
    out: String,
    /// The code of every login that was refused.
    judged: Vec<&'static str>,
    replies: usize,
    cancelled: usize,
}

impl Server {
    fn new(piece: usize) -> Self {
        let greeting = Greeting {
            mechanisms: &Mechanism::BEARER,
            relayed: &[],
            pid: 1,
            connection: 1,
            cookie: [0; 16],
        };
        let connection = Connection::greet(&greeting, &mut String::new()).expect("room");
        let mut server = Self {
            connection,
            piece,
            buffer: vec![0; MAX_RESPONSE],
            out: String::new(),
            judged: vec![],
            replies: 0,
            cancelled: 0,
        };
        server.receive("VERSION\t1\t2\nCPID\t1\n");
        server
    }

    /// A login with the message in `AUTH`, or asked for by an empty challenge.
    fn auth(&mut self, mechanism: Mechanism, message: &str, is_initial: bool) {
        let auth = format!("AUTH\t1\t{}\tservice=imap", mechanism.name());
        if is_initial {
            self.receive(&format!("{auth}\tresp={message}\n"));
        } else {
            self.receive(&format!("{auth}\n"));
            assert_eq!(self.out, "CONT\t1\t\n");
            self.receive(&format!("CONT\t1\t{message}\n"));
        }
    }

    fn receive(&mut self, input: &str) {
        for piece in input.as_bytes().chunks(self.piece.min(input.len())) {
            let mut rest = piece;
            while !rest.is_empty() {
                let (used, event) = self
                    .connection
                    .receive(rest, &mut self.buffer, &mut self.out);
                rest = &rest[used..];
                match event {
                    Event::Incomplete | Event::ResponseRequested { .. } => {}
                    Event::Response(login) => self.judge(login),
                    Event::Replied { .. } => self.replies += 1,
                    Event::Cancelled { .. } => self.cancelled += 1,
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    fn judge(&mut self, login: Login) {
        let now = UnixTime::from_seconds(NOW);
        let policy = Policy::new("example", Audience::OneOf(&["mail"]));
        let keys = [TrustedKey::new(&*KEY.key, KEY.kid.as_deref())];
        let providers = [Provider::new(&policy)];
        let grouped = [&keys[..]];
        let rules = LoginSettings::new(&providers);
        let mut scratch = [0; MAX_PAYLOAD];
        let message = &self.buffer[..login.length];
        let mut exchange = Exchange::new(rules, login.mechanism, message);
        let (connection, out) = (&mut self.connection, &mut self.out);
        let mut input = Input::Start;
        let challenge = loop {
            input = match exchange.step(now, input) {
                Output::FindKeys(_) => Input::Keys {
                    keys: &grouped,
                    scratch: &mut scratch,
                },
                Output::FindNewerKeys(_) => Input::NoNewerKeys,
                Output::Accept(identity) => {
                    let sent = connection.accept(login.ticket, identity.user(), &[], out);
                    return sent.expect("the login is pending");
                }
                Output::Challenge(reply) => break reply.json(),
                other => panic!("a client that sent a bad token is told so: {other:?}"),
            };
        };
        let rejection = exchange.rejection().expect("a reason");
        let claimed: Option<String> = exchange.claimed_user().map(|name| name.chars().collect());
        let ended = exchange.step(now, Input::Reply);
        assert!(
            matches!(ended, Output::Reject(why) if why == rejection),
            "{ended:?}"
        );
        let failure = rejection.failure(claimed.as_deref());
        let sent = connection.challenge(login.ticket, &challenge, failure, out);
        sent.expect("the login is pending");
        self.judged.push(rejection.code());
    }

    fn last_challenge(&self) -> Vec<u8> {
        let line = self.out.lines().last().expect("a line");
        let challenge = line.strip_prefix("CONT\t1\t").expect("a challenge");
        STANDARD.decode(challenge).expect("base64")
    }

    fn failures(&self) -> usize {
        self.out
            .lines()
            .filter(|line| line.starts_with("FAIL\t"))
            .count()
    }

    /// The connection is still good for a login.
    fn still_serves(&mut self) {
        let before = self.judged.len();
        self.receive("AUTH\t1000\tXOAUTH2\tservice=imap\tresp=dXNlcj1iAQ==\n");
        assert_eq!(self.judged.len(), before + 1);
    }
}

fn message(sample: &Value) -> Vec<u8> {
    STANDARD.decode(text(&sample["ir_base64"])).expect("base64")
}

fn mechanism(sample: &Value) -> Mechanism {
    Mechanism::from_name(text(&sample["mechanism"])).expect("a mechanism of ours")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}
