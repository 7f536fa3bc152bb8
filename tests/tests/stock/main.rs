//! A fresh Debian machine on which somebody follows the page, and nothing is assumed.

use std::process::ExitCode;

use gatepost_tests::cases::{self, Program};
use gatepost_tests::dovecot::Version;
use gatepost_tests::login::Login;
use gatepost_tests::stock::{Machine, Stock};
use libtest_mimic::Failed;

/// A case on such a machine.
type Case = cases::Case<Stock>;

fn main() -> ExitCode {
    Program {
        subject: "everything on a fresh Debian machine",
        open: Stock::open,
        cases,
        needs: Vec::new(),
        logs: |_| Vec::new(),
    }
    .main()
}

fn cases() -> Vec<Case> {
    let case = |version: Version| {
        let name = format!("{version:?}::the_page_leads_from_debians_own_files_to_a_login");
        Case::new(name, move |stock: &Stock| {
            let mut machine = stock.install(version)?;
            let outcome = follow(stock, &mut machine);
            outcome.map_err(|error| {
                let message = error.message().unwrap_or_default();
                format!("{message}\n{}", machine.logged()).into()
            })
        })
    };
    Version::ALL.map(case).into()
}

fn follow(stock: &Stock, machine: &mut Machine<'_>) -> Result<(), Failed> {
    machine.follow_the_page()?;
    let good = stock.logins.token(Login::Good, "ES256");
    for token in [Some(good.as_str()), None] {
        machine.try_imap(token)?;
        machine.try_smtp(token)?;
    }
    let expired = stock.logins.token(Login::Expired, "ES256");
    let refused = [
        machine.try_imap(Some(&expired)),
        machine.try_smtp(Some(&expired)),
    ];
    assert!(refused.iter().all(Result::is_err), "{refused:?}");
    let logged = machine.logged();
    assert!(logged.contains("\"reason\":\"expired\""));
    Ok(())
}
