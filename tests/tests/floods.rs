//! Floods of junk from one network, and others who log in every second meanwhile (invariant 7).
//!
//! All kinds of junk at once for half a minute; with `GATEPOST_FLOOD_SECONDS`, each kind alone for so long. What is
//! asserted is that nobody of the others is refused; how long they wait is printed.

use std::collections::HashMap;
use std::env;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatepost_tests::corpora::{self, trial};
use gatepost_tests::daemon::{Configuration, Daemon};
use gatepost_tests::mint::Issuer;
use gatepost_tests::stream::{Address, PATIENCE, Stream};
use gatepost_tests::stub::{Behaviour, Page, Seen, Stub};
use serde_json::json;
use tempfile::TempDir;

/// Whom the good logins are of, and whose password is guessed.
const ALICE: &str = "alice@example.com";

/// Where all junk comes from.
const STRANGER: &str = "192.0.2.66";

/// How long the flood of all kinds lasts, in seconds.
const SECONDS: u32 = 30;

/// Clients that a mail server's process has at once, each of which waits for its answer.
const CLIENTS: usize = 1000;

/// Logins that somebody hostile has in flight on a connection of his own: nearly all that it may have.
const AT_ONCE: usize = 16_000;

/// What strangers send.
#[derive(Clone, Copy, Debug)]
enum Junk {
    Opaque,
    UnknownKey,
    Forged(&'static str),
    Password,
}

impl Junk {
    const ALL: [Self; 5] = [
        Self::Opaque,
        Self::UnknownKey,
        Self::Forged("RS256"),
        Self::Forged("ES512"),
        Self::Password,
    ];

    /// The mechanism and its response, another for each number.
    fn message(self, number: u64, issuer: &str) -> (&'static str, String) {
        let token = match self {
            Self::Opaque => format!("junk-{number}"),
            Self::UnknownKey => forged("ES256", &format!("unknown-{number}"), number, issuer),
            Self::Forged(algorithm) => forged(algorithm, algorithm, number, issuer),
            Self::Password => return ("PLAIN", format!("\0{ALICE}\0guess-{number}")),
        };
        bearer(&token)
    }
}

/// A token that nobody signed, whose signature is as long as a real one.
fn forged(algorithm: &str, key: &str, number: u64, issuer: &str) -> String {
    let header = json!({"alg": algorithm, "kid": key, "typ": "at+jwt"});
    let mut claims = claims(issuer);
    claims["jti"] = json!(number);
    let length = match algorithm {
        "RS256" => 256,
        "ES512" => 132,
        _ => 64,
    };
    // Below every modulus and order, so that it is verified in full.
    let mut signature = vec![0x5a; length];
    if algorithm == "ES512" {
        signature[0] = 0;
        signature[66] = 0;
    }
    let [header, claims] = [header, claims].map(|json| URL_SAFE_NO_PAD.encode(json.to_string()));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims(issuer: &str) -> serde_json::Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    json!({"iss": issuer, "aud": "mail", "sub": "1", "email": ALICE, "exp": now + 3600})
}

fn bearer(token: &str) -> (&'static str, String) {
    let message = format!("user={ALICE}\x01auth=Bearer {token}\x01\x01");
    ("XOAUTH2", message)
}

/// How a good login is made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Good {
    Signed,
    Opaque,
    Password,
}

impl Good {
    const ALL: [Self; 3] = [Self::Signed, Self::Opaque, Self::Password];

    fn message(self, number: u32, provider: &Provider) -> (&'static str, String) {
        match self {
            Self::Signed => {
                let mut claims = claims(&provider.stub.issuer());
                claims["jti"] = json!(format!("good-{number}"));
                bearer(&provider.issuer.sign("ES256", &claims))
            }
            Self::Opaque => bearer(&format!("good-{number}")),
            Self::Password => ("PLAIN", format!("\0{ALICE}\0right")),
        }
    }
}

/// Knows Alice's tokens and password, and nothing else.
struct Provider {
    stub: Stub,
    issuer: Issuer,
}

impl Provider {
    fn start() -> io::Result<Self> {
        let (stub, issuer) = (Stub::provider()?, Issuer::new());
        stub.set_json("/jwks", &issuer.jwk_set());
        stub.set("/introspect", Behaviour::Judge(introspect));
        stub.set("/token", Behaviour::Judge(grant));
        Ok(Self { stub, issuer })
    }
}

fn introspect(seen: &Seen) -> Page {
    if !seen.body.contains("token=good-") {
        return Page::json(200, &json!({"active": false}));
    }
    let mut said = claims("");
    said["active"] = json!(true);
    if let Some(said) = said.as_object_mut() {
        said.remove("iss");
    }
    Page::json(200, &said)
}

fn grant(seen: &Seen) -> Page {
    if seen.body.contains("password=right") {
        let granted = json!({"access_token": "good-granted", "token_type": "Bearer"});
        return Page::json(200, &granted);
    }
    Page::json(400, &json!({"error": "invalid_grant"}))
}

/// A connection of a mail server's process, which answers every challenge as clients do.
struct Connection {
    writer: Mutex<Stream>,
    last_id: AtomicU32,
    awaited: Mutex<HashMap<u32, Awaited>>,
    /// Junk that has no answer yet.
    in_flight: Mutex<usize>,
    has_answer: Condvar,
    answered: AtomicU64,
}

/// A good login that has no answer yet.
struct Awaited {
    since: Instant,
    reply: Sender<Result<Duration, String>>,
}

impl Connection {
    fn open(address: &Address) -> io::Result<Arc<Self>> {
        let stream = address.connect()?;
        stream.wait_for_ever()?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let connection = Arc::new(Self {
            writer: Mutex::new(stream),
            last_id: AtomicU32::new(0),
            awaited: Mutex::default(),
            in_flight: Mutex::new(0),
            has_answer: Condvar::new(),
            answered: AtomicU64::new(0),
        });
        connection.send("VERSION\t1\t2\nCPID\t1\n")?;
        let mut line = String::new();
        while line != "DONE\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let hearing = Arc::clone(&connection);
        thread::spawn(move || hearing.hear(reader));
        Ok(connection)
    }

    fn send(&self, lines: &str) -> io::Result<()> {
        lock(&self.writer).write_all(lines.as_bytes())
    }

    fn auth(id: u32, (mechanism, message): (&str, String), remote: &str) -> String {
        let response = STANDARD.encode(message);
        format!("AUTH\t{id}\t{mechanism}\tservice=imap\tsecured\trip={remote}\tresp={response}\n")
    }

    fn next_id(&self) -> u32 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Logs in; the answer comes later, and says how long it took.
    fn log_in(
        &self,
        message: (&str, String),
        remote: &str,
    ) -> io::Result<Receiver<Result<Duration, String>>> {
        let (reply, answer) = mpsc::channel();
        let id = self.next_id();
        let since = Instant::now();
        lock(&self.awaited).insert(id, Awaited { since, reply });
        self.send(&Self::auth(id, message, remote))?;
        Ok(answer)
    }

    /// Sends junk as soon as fewer than `limit` have no answer.
    fn throw(&self, message: (&str, String), limit: usize) -> io::Result<()> {
        let mut in_flight = lock(&self.in_flight);
        while *in_flight >= limit {
            let waited = self.has_answer.wait_timeout(in_flight, PATIENCE);
            let (again, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            in_flight = again;
            if timeout.timed_out() {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
        *in_flight += 1;
        drop(in_flight);
        self.send(&Self::auth(self.next_id(), message, STRANGER))
    }

    /// Reads answers until the daemon closes.
    fn hear(&self, mut reader: BufReader<Stream>) {
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|length| length > 0) {
            let mut words = line.trim_end().split('\t');
            let (word, id) = (words.next(), words.next());
            let id = id.and_then(|id| id.parse().ok()).unwrap_or_default();
            if word == Some("CONT") && !lock(&self.awaited).contains_key(&id) {
                // The client says that it has read why.
                if self.send(&format!("CONT\t{id}\t\n")).is_err() {
                    return;
                }
            } else if let Some(awaited) = lock(&self.awaited).remove(&id) {
                let took = awaited.since.elapsed();
                let answer = match word {
                    Some("OK") => Ok(took),
                    _ => Err(format!("{line:?} after {took:?}")),
                };
                // Whoever waits has given the test up where there is nobody.
                let _ = awaited.reply.send(answer);
            } else {
                self.answered.fetch_add(1, Ordering::Relaxed);
                *lock(&self.in_flight) -= 1;
                self.has_answer.notify_all();
            }
            line.clear();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long each kind of good login took.
#[derive(Default)]
struct Times(HashMap<Good, Vec<Duration>>);

impl Times {
    /// Waits for an answer that is to be a good one.
    fn take(
        &mut self,
        good: Good,
        answer: &Receiver<Result<Duration, String>>,
    ) -> Result<(), String> {
        let answer = answer.recv_timeout(PATIENCE);
        let took = answer.unwrap_or_else(|_| Err("no answer".to_owned()));
        let took = took.map_err(|refused| format!("{good:?}: {refused}"))?;
        self.0.entry(good).or_default().push(took);
        Ok(())
    }

    fn quantile(&self, good: Good, hundredths: usize) -> Duration {
        let mut times = self.0.get(&good).cloned().unwrap_or_default();
        times.sort_unstable();
        let place = (times.len() * hundredths / 100).min(times.len().saturating_sub(1));
        times.get(place).copied().unwrap_or_default()
    }

    fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }
}

/// A daemon that is flooded, its provider, and one connection that strangers share with everybody.
struct Site {
    provider: Provider,
    shared: Arc<Connection>,
    address: Address,
    _daemon: Daemon,
    _root: TempDir,
}

impl Site {
    fn start() -> io::Result<Self> {
        let root = TempDir::new()?;
        let provider = Provider::start()?;
        let address = Address::Unix(root.path().join("auth"));
        let Address::Unix(path) = &address else {
            unreachable!("it is a unix socket");
        };
        // A line a login would be most of what the disk has to bear.
        let text = format!(
            "listen = \"unix:{}\"\n[log]\nlevel = \"warn\"\n[[provider]]\nissuer = \"{}\"\naudience = \"mail\"\n\
             username_claims = [\"email\"]\nclient_id = \"rs\"\nclient_secret = \"s\"\n\
             introspection_url = \"{}\"\ngrant_url = \"{}\"\n",
            path.display(),
            provider.stub.issuer(),
            provider.stub.url("/introspect"),
            provider.stub.url("/token"),
        );
        let configuration =
            Configuration::write_text(root.path().to_owned(), address.clone(), &text)?;
        let daemon = Daemon::start(&configuration)?;
        Ok(Self {
            provider,
            shared: Connection::open(&address)?,
            address,
            _daemon: daemon,
            _root: root,
        })
    }

    /// One login of each kind, on the shared connection and on one of its own, each from an address of its own.
    fn log_all_in(
        &self,
        second: u32,
        own: &Connection,
    ) -> Vec<(Good, Receiver<Result<Duration, String>>)> {
        let mut answers = Vec::new();
        for (place, connection) in (0..).zip([&self.shared, own]) {
            for (kind, good) in (0..).zip(Good::ALL) {
                let number = second * 8 + place * 4 + kind;
                let remote = format!("198.51.{}.{}", 100 + number / 250 % 50, 1 + number % 250);
                let message = good.message(number, &self.provider);
                let answer = connection.log_in(message, &remote);
                answers.push((good, answer.expect("the connection is open")));
            }
        }
        answers
    }

    /// Floods it with `junk` for so many seconds.
    fn flood(&self, junk: &'static [Junk], seconds: u32) {
        let own = Connection::open(&self.address).expect("a connection");
        let mut alone = Times::default();
        for second in 0..10 {
            for (good, answer) in self.log_all_in(second, &own) {
                alone.take(good, &answer).expect("it is alone");
            }
        }
        let is_over = AtomicBool::new(false);
        let number = AtomicU64::new(0);
        let issuer = self.provider.stub.issuer();
        let apart = Connection::open(&self.address).expect("a connection");
        let mut flooded = Times::default();
        thread::scope(|scope| {
            for (connection, limit) in [(&self.shared, CLIENTS), (&apart, AT_ONCE)] {
                let (is_over, number, issuer) = (&is_over, &number, &issuer);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let number = number.fetch_add(1, Ordering::Relaxed);
                        let kind = usize::try_from(number).map_or(0, |number| number % junk.len());
                        let message = junk[kind].message(number, issuer);
                        connection.throw(message, limit).expect("junk is answered");
                    }
                });
            }
            let mut answers = Vec::new();
            for second in 10..10 + seconds {
                thread::sleep(Duration::from_secs(1));
                answers.extend(self.log_all_in(second, &own));
            }
            let outcome = answers
                .iter()
                .try_for_each(|(good, answer)| flooded.take(*good, answer));
            is_over.store(true, Ordering::Relaxed);
            outcome.expect("a good login in the flood");
        });
        assert_eq!(flooded.count(), 2 * Good::ALL.len() * seconds as usize);
        let answered =
            [&self.shared, &apart].map(|connection| connection.answered.load(Ordering::Relaxed));
        println!(
            "{junk:?}: {} a second on the shared connection, {} on another",
            answered[0] / u64::from(seconds),
            answered[1] / u64::from(seconds)
        );
        for good in Good::ALL {
            println!(
                "{good:?}: median {:?}, p99 {:?}; alone {:?}, {:?}",
                flooded.quantile(good, 50),
                flooded.quantile(good, 99),
                alone.quantile(good, 50),
                alone.quantile(good, 99)
            );
        }
    }
}

fn flood(junk: &'static [Junk], seconds: u32) {
    Site::start().expect("a daemon").flood(junk, seconds);
}

fn main() {
    let trials = match env::var("GATEPOST_FLOOD_SECONDS") {
        Err(_) => vec![trial(
            "invariant_7_a_flood_of_all_kinds_of_junk_refuses_nobody_else",
            || flood(&Junk::ALL, SECONDS),
        )],
        Ok(seconds) => {
            let seconds = seconds.parse().expect("GATEPOST_FLOOD_SECONDS: seconds");
            let each = Junk::ALL.iter().map(|junk| {
                let name = format!("invariant_7_a_flood_of_{junk:?}_refuses_nobody_else");
                trial(name, move || flood(std::slice::from_ref(junk), seconds))
            });
            each.collect()
        }
    };
    corpora::run(trials, &[]);
}
