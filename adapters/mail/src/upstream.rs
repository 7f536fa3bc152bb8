//! Dovecot's auth-client protocol, the client's side: what a server says of itself when a connection begins.

use crate::line::{fields, number, write_line};

/// Mechanisms of which a server is heard; Dovecot has 17.
const MAX_OFFERS: usize = 32;

/// A mechanism that a server offers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Offer {
    name: Vec<u8>,
    /// The whole line, with the mechanism's properties.
    line: Vec<u8>,
}

impl Offer {
    /// The mechanism's name, for a log.
    #[must_use]
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.name).into_owned()
    }

    pub(crate) fn name_bytes(&self) -> &[u8] {
        &self.name
    }

    /// Whether that is the name of this one, in any case.
    pub(crate) fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }
}

/// Why a server cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GreetingError {
    /// It speaks another version of the protocol, or something else altogether.
    #[error(
        "it does not speak version 1 of Dovecot's auth protocol; name the socket of Dovecot's auth service"
    )]
    NoVersion,
    /// It has no cookie for us.
    #[error("its greeting has no COOKIE; name a socket of Dovecot's for auth clients or logins")]
    NoCookie,
    /// More mechanisms than anybody has.
    #[error("it offers more than {MAX_OFFERS} mechanisms")]
    TooManyMechanisms,
}

/// A server's greeting while it comes.
///
/// ```
/// use gatepost_mail::upstream::Greeting;
///
/// let mut greeting = Greeting::default();
/// for line in ["VERSION\t1\t2", "MECH\tPLAIN\tplaintext", "COOKIE\t00ff", "DONE"] {
///     greeting.take(line.as_bytes())?;
/// }
/// assert!(greeting.is_over());
/// assert_eq!(greeting.offers()[0].name(), "PLAIN");
/// # Ok::<(), gatepost_mail::upstream::GreetingError>(())
/// ```
#[derive(Debug, Default)]
pub struct Greeting {
    has_version: bool,
    offers: Vec<Offer>,
    cookie: Vec<u8>,
    is_over: bool,
}

impl Greeting {
    /// Takes the next line. Those that matter to nobody here are skipped.
    ///
    /// # Errors
    /// [`GreetingError`]: this server is none that can be used.
    pub fn take(&mut self, line: &[u8]) -> Result<(), GreetingError> {
        let mut words = fields(line);
        match words.next() {
            Some(b"VERSION") if number(words.next()) == Some(1) => self.has_version = true,
            _ if !self.has_version => return Err(GreetingError::NoVersion),
            Some(b"MECH") => self.offer(line, words.next().unwrap_or_default())?,
            Some(b"COOKIE") => self.cookie = words.next().unwrap_or_default().to_vec(),
            Some(b"DONE") if self.cookie.is_empty() => return Err(GreetingError::NoCookie),
            Some(b"DONE") => self.is_over = true,
            _ => {}
        }
        Ok(())
    }

    fn offer(&mut self, line: &[u8], name: &[u8]) -> Result<(), GreetingError> {
        if self.offers.len() == MAX_OFFERS {
            return Err(GreetingError::TooManyMechanisms);
        }
        self.offers.push(Offer {
            name: name.to_vec(),
            line: line.to_vec(),
        });
        Ok(())
    }

    /// Whether it has come whole.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// What the server offers.
    #[must_use]
    pub fn offers(&self) -> &[Offer] {
        &self.offers
    }

    /// What a master connection proves with that it knows this connection.
    pub(crate) fn cookie(&self) -> &[u8] {
        &self.cookie
    }
}

/// What a client says first: its version, and a process id, which names the connection and is never 0.
#[must_use]
pub fn handshake(minor: u32, client_pid: u32) -> Vec<u8> {
    let (minor, client_pid) = (minor.to_string(), client_pid.to_string());
    let mut said = Vec::new();
    write_line(&mut said, [b"VERSION", &b"1"[..], minor.as_bytes()]);
    write_line(&mut said, [b"CPID", client_pid.as_bytes()]);
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(lines: &[&str]) -> Result<Greeting, GreetingError> {
        let mut greeting = Greeting::default();
        for line in lines {
            greeting.take(line.as_bytes())?;
        }
        Ok(greeting)
    }

    #[test]
    fn a_greeting_says_what_is_offered_and_the_cookie() {
        let greeting = take(&[
            "VERSION\t1\t3",
            "MECH\tPLAIN\tplaintext",
            "MECH\tSCRAM-SHA-256\tmutual-auth\tchannel-binding",
            "SPID\t17",
            "SOMETHING\tnew",
            "CUID\t1",
            "COOKIE\taabb",
        ]);
        let mut greeting = greeting.unwrap();
        assert!(!greeting.is_over());
        greeting.take(b"DONE").unwrap();
        assert!(greeting.is_over());
        let names: Vec<_> = greeting.offers().iter().map(Offer::name).collect();
        assert_eq!(names, ["PLAIN", "SCRAM-SHA-256"]);
        assert!(greeting.offers()[1].is(b"scram-sha-256"));
        assert_eq!(greeting.cookie(), b"aabb");
    }

    #[test]
    fn what_is_no_auth_server_is_refused() {
        for (lines, expected) in [
            (&["220 mail ESMTP"][..], GreetingError::NoVersion),
            (&["VERSION\t2\t0"], GreetingError::NoVersion),
            (&["MECH\tPLAIN"], GreetingError::NoVersion),
            (
                &["VERSION\t1\t1", "SPID\t1", "DONE"],
                GreetingError::NoCookie,
            ),
        ] {
            assert_eq!(take(lines).unwrap_err(), expected);
        }
        let mut many = vec!["VERSION\t1\t1"];
        many.extend(["MECH\tX"; MAX_OFFERS + 1]);
        assert_eq!(take(&many).unwrap_err(), GreetingError::TooManyMechanisms);
    }

    #[test]
    fn a_client_says_its_version_and_its_number() {
        assert_eq!(handshake(2, 7), b"VERSION\t1\t2\nCPID\t7\n");
    }
}
