//! Every client, with every token, at every server: what each was told, and that it understood.

mod client;
mod own;
mod verdict;

use std::fmt::Write as _;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use gatepost_tests::dovecot::Version;
use gatepost_tests::stream::Address;
use gatepost_tests::tap::Tap;
use gatepost_tests::ways::{Fault, Site, Way, Ways};
use libtest_mimic::Failed;

use crate::Case;
use client::{Attempt, CLIENTS, Client, Protocol};
use verdict::{End, Verdict};

/// More clients at the same time than there are cores: most of them wait.
const AT_ONCE: usize = 8;

/// What is expected of a cell, and what became of it.
struct Cell {
    client: &'static Client,
    way: Way,
    version: Version,
    fault: Fault,
    outcome: Result<Outcome, String>,
}

/// What the server said, and what the client made of it.
struct Outcome {
    verdict: Verdict,
    client_is_content: bool,
}

static CELLS: OnceLock<Vec<Cell>> = OnceLock::new();

pub(crate) fn cases() -> Vec<Case> {
    let of_client = |client: &'static Client| {
        let (name, mechanism) = (client.name, client.mechanism.name().to_lowercase());
        let name = format!("matrix::{name}::{:?}_{mechanism}", client.protocol).to_lowercase();
        Case::new(name, move |lab: &Ways| check(lab, client))
    };
    CLIENTS.iter().map(of_client).collect()
}

/// The first case runs the whole matrix, so that its cells can run side by side.
fn check(lab: &Ways, client: &'static Client) -> Result<(), Failed> {
    let cells = CELLS.get_or_init(|| {
        let cells = run(lab);
        print!("{}", table(&cells));
        cells
    });
    let of_client = cells
        .iter()
        .filter(|cell| std::ptr::eq(cell.client, client));
    let wrong: Vec<_> = of_client.filter_map(Cell::complaint).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(wrong.join("\n").into())
}

impl Cell {
    /// Why it is not as it should be.
    fn complaint(&self) -> Option<String> {
        let told = match &self.outcome {
            Ok(outcome) if self.is_expected(outcome) => return None,
            Ok(outcome) => format!(
                "{:?}, and the client was content: {}",
                outcome.verdict, outcome.client_is_content
            ),
            Err(error) => error.clone(),
        };
        Some(format!(
            "{:?} {:?} {:?}: {told}",
            self.way, self.version, self.fault
        ))
    }

    fn is_expected(&self, outcome: &Outcome) -> bool {
        let Outcome {
            verdict,
            client_is_content,
        } = outcome;
        let is_told_why = verdict.challenge.is_some();
        let is_as_told = match self.fault {
            Fault::None => verdict.end == End::LoggedIn && *client_is_content && !is_told_why,
            // Some clients leave once they have been told why.
            _ if verdict.end == End::Left => is_told_why && !client_is_content,
            _ => verdict.end == End::Refused && !client_is_content,
        };
        let must_tell = self.fault != Fault::None && tells_why(self.way, self.version);
        verdict.mechanism == self.client.mechanism.name() && is_as_told && is_told_why == must_tell
    }
}

/// Dovecot 2.4's own oauth2 database says nothing but no, whatever it is answered.
fn tells_why(way: Way, version: Version) -> bool {
    (way, version) != (Way::Http, Version::V2_4)
}

/// All cells, a few at a time.
fn run(lab: &Ways) -> Vec<Cell> {
    let tokens = Fault::ALL.map(|fault| lab.token(fault).map_err(|error| error.to_string()));
    let mut tasks = Vec::new();
    for client in &CLIENTS {
        for site in lab.sites() {
            let faults = Fault::ALL.into_iter().zip(&tokens);
            tasks.extend(faults.map(|(fault, token)| (client, site, fault, token)));
        }
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((client, site, fault, token)) = tasks.get(index).copied() else {
                return done;
            };
            let outcome = match token {
                Ok(token) => attempt(lab, client, site, token).map_err(|error| error.to_string()),
                Err(error) => Err(error.clone()),
            };
            let cell = Cell {
                client,
                way: site.way,
                version: site.dovecot.setup().version,
                fault,
                outcome,
            };
            done.push((index, cell));
        }
    };
    let mut cells = thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        let done = workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("it returns"));
        done.collect::<Vec<_>>()
    });
    cells.sort_by_key(|(index, _)| *index);
    cells.into_iter().map(|(_, cell)| cell).collect()
}

/// One login.
fn attempt(lab: &Ways, client: &Client, site: &Site, token: &str) -> io::Result<Outcome> {
    let server = match client.protocol {
        Protocol::Imap => site.dovecot.imap(),
        Protocol::Pop3 => site.dovecot.pop3(),
        Protocol::Postfix => site.postfix(),
        Protocol::Submission => site.dovecot.submission(),
    };
    let tap = Tap::on_port(0, server)?;
    let Address::Tcp(address) = &tap.address else {
        unreachable!("a tap on a port")
    };
    let recipient = format!("bob@{}.test", site.dovecot.setup().name);
    let client_is_content = client.run(&Attempt {
        root: &lab.mail_root,
        tap: &tap,
        port: address.port(),
        mechanism: client.mechanism,
        protocol: client.protocol,
        token,
        recipient: &recipient,
    })?;
    let recordings = tap.recordings();
    let recording = recordings.last();
    let verdict = recording.and_then(|recording| Verdict::read(client.protocol, recording));
    let verdict = verdict.ok_or_else(|| io::Error::other("the client did not try to log in"))?;
    Ok(Outcome {
        verdict,
        client_is_content,
    })
}

/// One row a client, and in each column what the four tokens met with.
fn table(cells: &[Cell]) -> String {
    let mut text = String::from(
        "what each client was told with a token that is good, revoked, expired, another's\n\
         (in: logged in; no: refused; left: it left before; later: temporary failure; +: told why)\n",
    );
    let of_client = |client: &'static Client| {
        cells
            .iter()
            .filter(move |cell| std::ptr::eq(cell.client, client))
    };
    let mut header = String::new();
    for cell in of_client(&CLIENTS[0]).step_by(Fault::ALL.len()) {
        let column = format!("{:?} {:?}", cell.way, cell.version);
        // Writing to a String cannot fail.
        let _written = write!(header, " {column:<27}");
    }
    let _written = writeln!(text, "{:34}{header}", "");
    for client in &CLIENTS {
        let (name, protocol) = (client.name, format!("{:?}", client.protocol));
        let mechanism = client.mechanism.name();
        let _written = write!(text, "{name:<11}{protocol:<11}{mechanism:<12}");
        for cell in of_client(client) {
            let word = cell.outcome.as_ref();
            let word = word.map_or("none".to_owned(), |outcome| outcome.verdict.to_string());
            let mark = if cell.complaint().is_some() { "!" } else { "" };
            let _written = write!(text, " {:<6}", word + mark);
        }
        text.push('\n');
    }
    text
}
