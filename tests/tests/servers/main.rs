//! Gatepost behind real mail servers, asked by real mail clients.
//!
//! The program runs itself once more in namespaces of its own, where one Postfix, one Exim and one
//! Gatepost serve all cases. Cases run in their order: the last one searches everything that the
//! others have left behind. Where roots or privileges are missing, every case is reported as
//! ignored, and the reason is printed.

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
use std::sync::Arc;

use gatepost_tests::daemon;
use gatepost_tests::lab::Lab;
use gatepost_tests::{namespace, oidc_provider, roots};
use libtest_mimic::{Arguments, Failed, Trial};

/// What a case decides over.
type Check = Box<dyn FnOnce(&Lab) -> Result<(), Failed> + Send>;

/// One case: its name, which states the rule, and its check.
struct Case {
    name: String,
    check: Check,
}

impl Case {
    fn new(
        name: impl Into<String>,
        check: impl FnOnce(&Lab) -> Result<(), Failed> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            check: Box::new(check),
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Cases share servers and are timed by events: in a fixed order they are easier to understand.
    arguments.test_threads = Some(1);
    if arguments.list {
        return run(&arguments, None);
    }
    if namespace::is_inside() {
        return match Lab::open() {
            Ok(lab) => run(&arguments, Some(lab)),
            Err(error) => {
                eprintln!("the servers do not start: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let lacking = lacking();
    if !lacking.is_empty() {
        println!(
            "left out: everything with Postfix and Exim ({})",
            lacking.join(", ")
        );
        return run(&arguments, None);
    }
    match namespace::reenter() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("unshare: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Why the cases cannot run here; empty when they can.
fn lacking() -> Vec<String> {
    let mut reasons = namespace::lacking();
    match roots::directory() {
        Ok(directory) => {
            let missing = roots::missing(&directory);
            reasons.extend(
                missing
                    .iter()
                    .map(|recipe| format!("no root {:?}", recipe.name)),
            );
        }
        Err(error) => reasons.push(error.to_string()),
    }
    if let Err(error) = daemon::program() {
        reasons.push(error.to_string());
    }
    reasons
}

/// Why there is no identity provider to ask; empty where there is one.
fn lacking_provider() -> Vec<String> {
    let mut reasons = oidc_provider::lacking();
    if roots::directory().is_ok_and(|directory| !oidc_provider::is_ready(&directory)) {
        reasons.push("oidc-provider is not installed".to_owned());
    }
    reasons
}

/// Runs the cases, or reports them as ignored where there is no lab.
fn run(arguments: &Arguments, lab: Option<Lab>) -> ExitCode {
    let lab = lab.map(Arc::new);
    let lacking = lacking_provider();
    if lab.is_some() && !lacking.is_empty() {
        let lacking = lacking.join(", ");
        println!("left out: everything with oidc-provider ({lacking})");
    }
    let images = [appliance::IMAGES, appliance_tls::IMAGES].concat();
    let lacking_device = gatepost_tests::appliance::lacking(&images);
    if lab.is_some() && !lacking_device.is_empty() {
        let lacking = lacking_device.join(", ");
        println!("left out: everything with the appliance ({lacking})");
    }
    let trial = |case: Case| {
        let is_of = |themes: &[&str]| themes.iter().any(|theme| case.name.starts_with(theme));
        let needs_provider = is_of(&["online::", "chaos::", "appliance::", "appliance_tls::"]);
        let needs_device = is_of(&["appliance::", "appliance_tls::"]);
        let lab = lab
            .clone()
            .filter(|_| !needs_provider || lacking.is_empty())
            .filter(|_| !needs_device || lacking_device.is_empty());
        let Some(lab) = lab else {
            return Trial::test(case.name, || Ok(())).with_ignored_flag(true);
        };
        Trial::test(case.name, move || (case.check)(&lab))
    };
    let trials = cases().into_iter().map(trial).collect();
    let conclusion = libtest_mimic::run(arguments, trials);
    if let (true, Some(lab)) = (conclusion.has_failed(), &lab) {
        println!(
            "Gatepost logged last:\n{}",
            last_lines(&lab.daemon.logged())
        );
        println!(
            "Postfix logged last:\n{}",
            last_lines(&lab.postfix.logged())
        );
        println!("Exim logged last:\n{}", last_lines(&lab.exim.logged()));
    }
    // What the servers leave behind is removed before the namespaces go.
    drop(lab);
    conclusion.exit_code()
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

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
