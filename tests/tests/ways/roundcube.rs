//! Roundcube in a real browser, from the login at the provider to the end of the session.

use std::io;

use gatepost_tests::dovecot::Version;
use gatepost_tests::oidc_provider::{HASTY_WEBMAIL, WEBMAIL};
use gatepost_tests::roundcube::{Roundcube, Setup, User};
use gatepost_tests::smtp::Session;
use gatepost_tests::stream::Address;
use gatepost_tests::ways::{RELAY, Site, Way, Ways};
use libtest_mimic::Failed;

use crate::Case;

/// What becomes of a visit.
type Outcome = Result<(), Failed>;

/// The words of a log or a page that blame a server.
const BLAME: [&str; 4] = ["temporar", "internal", "unavailable", "try again"];

/// A user's time with Roundcube before one Dovecot.
struct Visit<'l> {
    lab: &'l Ways,
    /// The user, whose mail this Dovecot has.
    name: String,
    roundcube: Roundcube,
    user: User,
    /// What the servers had logged when it began.
    logs: Vec<(&'static str, String)>,
}

pub(crate) fn cases() -> Vec<Case> {
    let sites = [
        (Way::Http, Version::V2_3),
        (Way::Http, Version::V2_4),
        (Way::Relay, Version::V2_3),
        (Way::Relay, Version::V2_4),
    ];
    let case = |(way, version)| {
        let rule = "a_user_reads_and_writes_and_is_told_when_the_token_is_revoked";
        let name = format!("roundcube::{way:?}_{version:?}::{rule}").to_lowercase();
        Case::new(name, move |lab: &Ways| {
            visit(lab, way, version, WEBMAIL, |visit| {
                visit.read_what_was_delivered()?;
                visit.write_to_itself()?;
                visit.see_the_token_revoked()
            })
        })
    };
    let mut cases: Vec<_> = sites.map(case).into();
    cases.push(Case::new(
        "roundcube::a_session_ends_with_the_grant_that_renews_its_tokens",
        |lab: &Ways| {
            visit(lab, Way::Relay, Version::V2_3, HASTY_WEBMAIL, |visit| {
                visit.read_what_was_delivered()?;
                visit.see_the_session_end()
            })
        },
    ));
    cases
}

/// Logs a user in, and goes on as told. What Roundcube has logged goes with a failure.
fn visit(
    lab: &Ways,
    way: Way,
    version: Version,
    client: (&'static str, &'static str),
    goes_on: fn(&mut Visit) -> Outcome,
) -> Outcome {
    let is_it = |site: &&Site| site.way == way && site.dovecot.setup().version == version;
    let site = lab.sites().iter().find(is_it);
    let site = site.ok_or("each version is there in each way")?;
    let mut visit = Visit::start(lab, site, client)?;
    let outcome = goes_on(&mut visit);
    outcome.map_err(|failed| {
        let message = failed.message().unwrap_or("failed");
        format!("{message}\nRoundcube logged:\n{}", visit.roundcube.logged()).into()
    })
}

impl<'l> Visit<'l> {
    fn start(lab: &'l Ways, site: &Site, client: (&'static str, &'static str)) -> io::Result<Self> {
        let name = site.dovecot.setup().name;
        let roundcube = Roundcube::start(
            &lab.webmail_root,
            &Setup {
                name: format!("{name}-{}", client.0),
                imap: site.dovecot.imap(),
                smtp: site.postfix(),
                issuer: lab.provider.issuer(),
                client,
            },
        )?;
        Ok(Self {
            lab,
            name: format!("bob@{name}.test"),
            user: roundcube.seat()?,
            roundcube,
            logs: lab.logs(),
        })
    }

    fn read_what_was_delivered(&mut self) -> Outcome {
        deliver(&self.name, "Delivered before", "It was here first.")?;
        self.user.log_in(&self.name)?;
        self.read("Delivered before", "It was here first.")?;
        self.expect_logged(&format!("user=<{}>, method=XOAUTH2", self.name))
    }

    fn write_to_itself(&mut self) -> Outcome {
        let (subject, body) = ("A message to myself", "Nothing new here.");
        let told = self.user.send(&self.name, subject, body)?;
        assert_eq(&told, "sent")?;
        self.expect_logged(&format!("sasl_method=XOAUTH2, sasl_username={}", self.name))?;
        self.read(subject, body)
    }

    /// Roundcube takes the token for good for another hour, presents it, and is refused.
    fn see_the_token_revoked(&mut self) -> Outcome {
        self.lab.provider.revoke_grants(&self.name)?;
        self.logs = self.lab.logs();
        let told = self.user.come_back(Some("Authentication failed"))?;
        self.expect_logged("\"verdict\":\"reject\",\"reason\":\"token_refused\"")?;
        self.expect_no_blame(&told)
    }

    /// Roundcube takes the token for expired, and asks the provider for another.
    fn see_the_session_end(&mut self) -> Outcome {
        self.lab.provider.revoke_grants(&self.name)?;
        self.logs = self.lab.logs();
        let told = self.user.come_back(None)?;
        self.expect_no_blame(&told)
    }

    /// Neither the page nor the logs blame a server.
    fn expect_no_blame(&self, told: &str) -> Outcome {
        let words = format!("{told}\n{}", self.logged()).to_lowercase();
        let blamed = BLAME.iter().find(|blame| words.contains(**blame));
        blamed.map_or(Ok(()), |blame| {
            Err(format!("{blame:?} in {told:?} or in a log").into())
        })
    }

    fn read(&mut self, subject: &str, body: &str) -> Outcome {
        assert_eq(&self.user.find(subject)?, subject)?;
        assert_eq(&self.user.open(subject)?, body)
    }

    fn expect_logged(&self, words: &str) -> Outcome {
        let logged = self.logged();
        if logged.contains(words) {
            return Ok(());
        }
        Err(format!("no server has logged {words}").into())
    }

    /// What the servers have logged since.
    fn logged(&self) -> String {
        let now = self.lab.logs().into_iter();
        let since = now
            .zip(&self.logs)
            .map(|((_, now), (_, then))| now[then.len()..].to_owned());
        since.collect()
    }
}

/// As any other mail server would.
fn deliver(recipient: &str, subject: &str, body: &str) -> Outcome {
    let mut session = Session::open(&Address::port(RELAY))?;
    for (command, code) in [
        ("MAIL FROM:<carol@example.org>", 250),
        (&format!("RCPT TO:<{recipient}>"), 250),
        ("DATA", 354),
        (&format!("Subject: {subject}\r\n\r\n{body}\r\n."), 250),
    ] {
        let reply = session.command(command)?;
        if reply.code != code {
            return Err(format!("{command}: {reply:?}").into());
        }
    }
    Ok(())
}

fn assert_eq(seen: &str, expected: &str) -> Outcome {
    if seen == expected {
        return Ok(());
    }
    Err(format!("saw {seen:?} instead of {expected:?}").into())
}
