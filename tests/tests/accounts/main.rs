//! Accounts that are provisioned over SCIM by software of other people, and mail servers that know them before anybody
//! logs in.

mod app_passwords;
mod docker_mailserver;
mod oracles;
mod pulled;
mod pushed;
mod suites;

use std::process::ExitCode;

use gatepost_tests::cases::{self, Need, Program};
use gatepost_tests::node::SCIM_ORACLES;
use gatepost_tests::provisioned::Provisioned;

/// A case in this lab.
type Case = cases::Case<Provisioned>;

fn main() -> ExitCode {
    Program {
        subject: "everything with accounts that a provider pushes",
        open: Provisioned::open,
        cases,
        needs: vec![Need::installation(&SCIM_ORACLES, &["oracles::npm::"])],
        logs: Provisioned::logs,
    }
    .main()
}

fn cases() -> Vec<Case> {
    let mut cases = pushed::cases();
    cases.extend(pulled::cases());
    cases.extend(docker_mailserver::cases());
    cases.extend(suites::cases());
    cases.extend(oracles::cases());
    cases.extend(app_passwords::cases());
    cases
}
