//! One login, from the bytes of its `AUTH` line to those of its answer, beside its bare signature.

use core::hint::black_box;

use cortex_m_semihosting::hprintln;
use gatepost_core::crypto::{Algorithm, VerifyingKey};
use gatepost_core::dovecot::{
    Connection, Event, FixedTable, Greeting, Login as Arrived, MAX_RESPONSE,
};
use gatepost_core::exchange::{Input, LoginSettings, MAX_PAYLOAD, Output, Provider, TrustedKey};
use gatepost_core::jose::{Jwk, KeyBuffer};
use gatepost_core::sasl::Mechanism;
use gatepost_core::{Audience, Exchange, Policy, UnixTime};
use gatepost_device::{Lent, Login};
use heapless::String;

use super::meter::{self, Cost};

/// Logins that a connection may have in flight.
const PENDING: usize = 2;

/// Bytes that are taken at once, as a socket gives them.
const PIECE: usize = 256;

/// Room for an answer: the greeting or one line.
type Answer = String<1024>;

/// Measures `login` and tells what it costs; `None`, and told, where it does not succeed.
pub(crate) fn measure(login: &Login<'_>) -> Option<()> {
    let costs = costs(login);
    match &costs {
        Some([prepared, bare, whole]) => hprintln!(
            "measured {} {} {} {} {}",
            prepared.instructions,
            bare.instructions,
            bare.stack,
            whole.instructions,
            whole.stack
        ),
        None => hprintln!("a login that is to be measured does not succeed"),
    }
    costs.map(drop)
}

/// Of the signature with a prepared key, of the same with the key's preparation, and of the whole login.
fn costs(login: &Login<'_>) -> Option<[Cost; 3]> {
    let jwk = Jwk::parse(login.jwk).ok()?;
    let mut buffer = KeyBuffer::new();
    let key = Lent {
        material: jwk.material_or_secret(&mut buffer).ok()?,
        algorithms: jwk.algorithms(),
    };
    let mut prepared = None;
    key.with_prepared(&mut |key| prepared = signature(login, key))
        .ok()?;
    let bare = signature(login, &key)?;
    Some([prepared?, bare, whole(login, jwk.kid(), &key)?])
}

/// One check of the signature.
fn signature(login: &Login<'_>, key: &dyn VerifyingKey) -> Option<Cost> {
    let algorithm = Algorithm::from_name(login.algorithm)?;
    let mut holds = false;
    let cost = meter::measure(&mut || {
        let (message, signature) = black_box((login.signing_input, login.signature));
        holds = key.verify(algorithm, message, signature).is_ok();
    });
    holds.then_some(cost)
}

/// Everything between the bytes of the mail server and those for it.
fn whole(login: &Login<'_>, kid: Option<&str>, key: &Lent<'_>) -> Option<Cost> {
    let usernames = [login.username_claim];
    let (audiences, scopes) = ([login.audience], [login.scope]);
    let mut policy = Policy::new("example", Audience::OneOf(&audiences));
    policy.issuer = Some(login.issuer);
    policy.username_claims = &usernames;
    policy.scopes = &scopes;
    let keys = [TrustedKey::new(key, kid)];
    let providers = [Provider::new(&policy)];
    let now = UnixTime::from_seconds(login.now);
    let mut server = Server::greet()?;
    let mut scratch = [0; MAX_PAYLOAD];
    let cost = meter::measure(&mut || {
        for piece in black_box(login.line).chunks(PIECE) {
            server.receive(piece, now, (&providers, &[&keys]), &mut scratch);
        }
    });
    (server.out == login.answer).then_some(cost)
}

/// Providers, and the keys of each.
type Trust<'t> = (&'t [Provider<'t>], &'t [&'t [TrustedKey<'t>]]);

/// The core as an adapter has it: a connection, the buffer for its response, and what is to be sent.
struct Server {
    connection: Connection<FixedTable<PENDING>>,
    response: [u8; MAX_RESPONSE],
    out: Answer,
}

impl Server {
    /// A connection whose handshake is over.
    fn greet() -> Option<Self> {
        let greeting = Greeting {
            mechanisms: &Mechanism::BEARER,
            relayed: &[],
            pid: 1,
            connection: 1,
            cookie: [0; 16],
        };
        let mut out = Answer::new();
        let connection = Connection::greet(&greeting, &mut out).ok()?;
        let mut server = Self {
            connection,
            response: [0; MAX_RESPONSE],
            out,
        };
        server.receive(
            b"VERSION\t1\t2\nCPID\t9\n",
            UnixTime::from_seconds(0),
            (&[], &[]),
            &mut [],
        );
        server.out.clear();
        server.connection.is_handshaken().then_some(server)
    }

    fn receive(&mut self, mut input: &[u8], now: UnixTime, trust: Trust<'_>, scratch: &mut [u8]) {
        loop {
            let (used, event) = self
                .connection
                .receive(input, &mut self.response, &mut self.out);
            input = input.get(used..).unwrap_or_default();
            match event {
                Event::Response(login) => self.judge(login, now, trust, scratch),
                Event::Incomplete | Event::Close(_) => return,
                _ => {}
            }
        }
    }

    /// Answers a login that is good; any other is left without an answer.
    fn judge(&mut self, login: Arrived, now: UnixTime, trust: Trust<'_>, scratch: &mut [u8]) {
        let message = self.response.get(..login.length).unwrap_or_default();
        let (providers, keys) = trust;
        let rules = LoginSettings::new(providers);
        let mut exchange = Exchange::new(rules, login.mechanism, message);
        let mut input = Input::Start;
        loop {
            input = match exchange.step(now, input) {
                Output::FindKeys(_) => Input::Keys {
                    keys,
                    scratch: &mut *scratch,
                },
                Output::Accept(identity) => {
                    let (ticket, user) = (login.ticket, identity.user());
                    // What has no room is missing from the answer.
                    let _ = self.connection.accept(ticket, user, &[], &mut self.out);
                    return;
                }
                _ => return,
            };
        }
    }
}
