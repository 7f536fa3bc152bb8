//! Real mail servers with mailboxes, and what their users get to see.

mod delivery;
mod dovecot;

use std::process::ExitCode;

use gatepost_tests::cases::{self, Program};
use gatepost_tests::mailboxes::Mailboxes;

/// A case in this lab.
type Case = cases::Case<Mailboxes>;

fn main() -> ExitCode {
    Program {
        subject: "everything with mailboxes",
        open: Mailboxes::open,
        cases,
        needs: Vec::new(),
        logs: Mailboxes::logs,
    }
    .main()
}

fn cases() -> Vec<Case> {
    let mut cases = dovecot::cases();
    cases.extend(delivery::cases());
    cases
}
