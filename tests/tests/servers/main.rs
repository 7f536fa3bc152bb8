//! Gatepost behind real mail servers, asked by real mail clients.
//!
//! One Postfix, one Exim and one Gatepost serve all cases. Cases run in their order: the last one searches
//! everything that the others have left behind.

mod appliance;
mod appliance_tls;
mod chaos;
mod django;
mod lifecycle;
mod limits;
mod logins;
mod online;
mod requests;
mod secrets;
mod sessions;

use std::process::ExitCode;

use gatepost_tests::cases::{self, Need, Program};
use gatepost_tests::lab::Lab;
use gatepost_tests::oidc_provider::INSTALLATION;

/// A case in this lab.
type Case = cases::Case<Lab>;

fn main() -> ExitCode {
    let images = [&appliance::IMAGES[..], &appliance_tls::IMAGES].concat();
    let appliance = Need {
        what: "the appliance",
        themes: &["appliance::", "appliance_tls::"],
        lacking: gatepost_tests::appliance::lacking(&images),
    };
    let asking = &["online::", "chaos::", "appliance::", "appliance_tls::"];
    Program {
        subject: "everything with Postfix and Exim",
        open: Lab::open,
        cases,
        needs: vec![Need::installation(&INSTALLATION, asking), appliance],
        logs: |lab| {
            vec![
                ("Gatepost", lab.daemon.logged()),
                ("Postfix", lab.postfix.logged()),
                ("Exim", lab.exim.logged()),
            ]
        },
    }
    .main()
}

fn cases() -> Vec<Case> {
    let mut cases = logins::cases();
    cases.extend(limits::cases());
    cases.extend(sessions::cases());
    cases.extend(requests::cases());
    cases.extend(lifecycle::cases());
    cases.extend(online::cases());
    cases.extend(django::cases());
    cases.extend(chaos::cases());
    cases.extend(appliance::cases());
    cases.extend(appliance_tls::cases());
    cases.extend(secrets::cases());
    cases
}
