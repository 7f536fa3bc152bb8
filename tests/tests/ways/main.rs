//! Gatepost in each way that leaves Dovecot in its place, beside a real provider, as every client sees it.

mod matrix;
mod roundcube;

use std::process::ExitCode;

use gatepost_tests::cases::{self, Need, Program};
use gatepost_tests::node;
use gatepost_tests::oidc_provider::INSTALLATION;
use gatepost_tests::ways::Ways;

/// A case in this lab.
type Case = cases::Case<Ways>;

fn main() -> ExitCode {
    Program {
        subject: "every client in every way",
        open: Ways::open,
        cases,
        needs: vec![
            Need::installation(&INSTALLATION, &[]),
            Need::installation(&node::CLIENTS, &["matrix::", "roundcube::"]),
        ],
        logs: Ways::logs,
    }
    .main()
}

fn cases() -> Vec<Case> {
    let mut cases = matrix::cases();
    cases.extend(roundcube::cases());
    cases
}
