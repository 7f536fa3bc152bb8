//! Gatepost before Dovecot's own auth service, with Dovecot's servers and Postfix as its clients.

mod logins;
mod restarts;
mod users;

use std::process::ExitCode;

use gatepost_tests::cases::{self, Program};
use gatepost_tests::relayed::Relayed;

/// A case in this lab.
type Case = cases::Case<Relayed>;

fn main() -> ExitCode {
    Program {
        subject: "everything before a Dovecot",
        open: Relayed::open,
        cases,
        needs: Vec::new(),
        logs: Relayed::logs,
    }
    .main()
}

fn cases() -> Vec<Case> {
    let mut cases = logins::cases();
    cases.extend(users::cases());
    cases.extend(restarts::cases());
    cases
}
