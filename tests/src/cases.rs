//! A test program whose cases share servers in namespaces of their own.
//!
//! The program runs itself once more in the namespaces, where the servers are started once for all cases.
//! Where roots or privileges are missing, every case is reported as ignored, and the reason is printed.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::node::{self, Installation};
use crate::{daemon, namespace, roots};

/// What a case decides over.
type Check<L> = Box<dyn FnOnce(&L) -> Result<(), Failed> + Send>;

/// One case: its name, which states the rule, and its check.
pub struct Case<L> {
    name: String,
    check: Check<L>,
}

impl<L> Case<L> {
    /// A case of what `check` decides over.
    pub fn new(
        name: impl Into<String>,
        check: impl FnOnce(&L) -> Result<(), Failed> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            check: Box::new(check),
        }
    }
}

/// What a test program is made of.
pub struct Program<L> {
    /// What cannot run where something is missing, such as `everything with Postfix`.
    pub subject: &'static str,
    /// Starts the servers; only inside of the namespaces.
    pub open: fn() -> io::Result<L>,
    /// All cases, in their order.
    pub cases: fn() -> Vec<Case<L>>,
    /// What cases need besides, by the beginnings of their names.
    pub needs: Vec<Need>,
    /// What each server has logged, to be shown after a failure.
    pub logs: fn(&L) -> Vec<(&'static str, String)>,
}

/// What some of the cases need, and others do not.
pub struct Need {
    /// What it is, such as `oidc-provider`.
    pub what: &'static str,
    /// How the names of the cases that need it begin; empty where the servers themselves need it.
    pub themes: &'static [&'static str],
    /// Why it is not there; empty where it is.
    pub lacking: Vec<String>,
}

impl Need {
    /// A program on Node.js.
    #[must_use]
    pub fn installation(
        installation: &'static Installation,
        themes: &'static [&'static str],
    ) -> Self {
        let mut lacking = node::lacking();
        if roots::directory().is_ok_and(|directory| !installation.is_ready(&directory)) {
            lacking.push(format!("{} is not installed", installation.name));
        }
        Self {
            what: installation.name,
            themes,
            lacking,
        }
    }

    fn is_missed_by(&self, name: &str) -> bool {
        !self.lacking.is_empty() && self.themes.iter().any(|theme| name.starts_with(theme))
    }
}

impl<L: Send + Sync + 'static> Program<L> {
    /// Runs the cases that the arguments ask for.
    #[must_use]
    pub fn main(&self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        // Cases share servers and are timed by events: in a fixed order they are easier to understand.
        arguments.test_threads = Some(1);
        if arguments.list {
            return self.run(&arguments, None);
        }
        if namespace::is_inside() {
            return match (self.open)() {
                Ok(lab) => self.run(&arguments, Some(lab)),
                Err(error) => {
                    eprintln!("the servers do not start: {error}");
                    ExitCode::FAILURE
                }
            };
        }
        let mut lacking = lacking();
        let basic = self.needs.iter().filter(|need| need.themes.is_empty());
        lacking.extend(basic.flat_map(|need| need.lacking.clone()));
        if !lacking.is_empty() {
            println!("left out: {} ({})", self.subject, lacking.join(", "));
            return self.run(&arguments, None);
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

    /// Runs the cases, or reports them as ignored where there is no lab.
    fn run(&self, arguments: &Arguments, lab: Option<L>) -> ExitCode {
        let lab = lab.map(Arc::new);
        let missing = self.needs.iter().filter(|need| !need.lacking.is_empty());
        for need in missing.filter(|_| lab.is_some()) {
            let lacking = need.lacking.join(", ");
            println!("left out: everything with {} ({lacking})", need.what);
        }
        let trial = |case: Case<L>| {
            let is_missed = |need: &Need| need.is_missed_by(&case.name);
            let has_all = !self.needs.iter().any(is_missed);
            let Some(lab) = lab.clone().filter(|_| has_all) else {
                return Trial::test(case.name, || Ok(())).with_ignored_flag(true);
            };
            Trial::test(case.name, move || (case.check)(&lab))
        };
        let trials = (self.cases)().into_iter().map(trial).collect();
        let conclusion = libtest_mimic::run(arguments, trials);
        if let (true, Some(lab)) = (conclusion.has_failed(), &lab) {
            for (server, log) in (self.logs)(lab) {
                println!("{server} logged last:\n{}", last_lines(&log));
            }
        }
        // What the servers leave behind is removed before the namespaces go.
        drop(lab);
        conclusion.exit_code()
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

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
