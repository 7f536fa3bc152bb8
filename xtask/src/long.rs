//! `cargo xtask test --long`: what takes a night, with the same closing line as the quick run.

use crate::Outcome;
use crate::appliance;
use crate::budget;
use crate::fuzz;
use crate::mutants;
use crate::tally::Tally;
use crate::workspace::{cargo, fresh, succeeds};

/// How long each flood lasts, in seconds.
const FLOOD_SECONDS: &str = "180";

/// How long each fuzz target runs, in seconds.
const FUZZ_SECONDS: &str = "600";

/// One check of the long run.
struct Member {
    /// Its theme and, behind a colon, what of it.
    name: String,
    /// What this machine lacks for it.
    lacking: Vec<String>,
    run: Box<dyn FnOnce() -> Outcome>,
}

impl Member {
    /// Whether it is among those that are wanted; all are where `themes` is empty.
    fn is_wanted(&self, themes: &[&str]) -> bool {
        let is_named = |theme: &&str| {
            let rest = self.name.strip_prefix(theme);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        themes.is_empty() || themes.iter().any(is_named)
    }
}

/// Runs the members whose names begin with one of `themes`, or all of them, and prints the count.
pub(crate) fn run(themes: &[&str]) -> Outcome {
    let members = members()?;
    let unknown = |theme: &&&str| !members.iter().any(|member| member.is_wanted(&[**theme]));
    if let Some(theme) = themes.iter().find(unknown) {
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        return Err(format!("the long run has no `{theme}`, but {}", names.join(", ")).into());
    }
    let mut tally = Tally {
        plan: &budget::LONG,
        ..Tally::default()
    };
    for member in members {
        if member.is_wanted(themes) {
            tally.check_unless(&member.lacking, &member.name, member.run);
        }
    }
    println!("{tally}");
    let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    Ok(tally.is_good(strict))
}

fn members() -> Result<Vec<Member>, Box<dyn std::error::Error>> {
    let mut members = vec![];
    for room in &mutants::ROOMS {
        members.push(Member {
            name: format!("mutants: {}", room.name),
            lacking: vec![],
            run: Box::new(|| mutants::run_room(room)),
        });
    }
    for target in fuzz::targets()? {
        members.push(Member {
            name: format!("fuzz: {target}"),
            lacking: fuzz::lacking(),
            run: Box::new(move || fuzz::run(&["--seconds", FUZZ_SECONDS, &target])),
        });
    }
    members.push(Member {
        name: "floods: each kind of junk alone".to_owned(),
        lacking: vec![],
        run: Box::new(floods),
    });
    members.push(Member {
        name: "floods: each kind alone on an emulated board".to_owned(),
        lacking: vec![],
        run: Box::new(board_floods),
    });
    members.push(Member {
        name: "demo with real mail servers, as it is typed".to_owned(),
        lacking: vec![],
        run: Box::new(|| {
            let demo = ["run", "--release", "--", "demo", "--mail", "--once"];
            Ok(succeeds(&mut cargo(demo))?)
        }),
    });
    Ok(members)
}

/// The floods of `cargo xtask test`, each kind by itself and for minutes.
fn floods() -> Outcome {
    let build = ["build", "-p", "gatepost"];
    let mut floods = cargo([
        "test",
        "--workspace",
        "--test",
        "floods",
        "--",
        "--nocapture",
        "--test-threads=1",
    ]);
    floods.env("GATEPOST_FLOOD_SECONDS", FLOOD_SECONDS);
    Ok(succeeds(&mut cargo(build))? && succeeds(&mut floods)?)
}

/// The same of the firmware, which needs its images, an emulator and the right to make namespaces.
fn board_floods() -> Outcome {
    let build = ["build", "-p", "gatepost"];
    let mut floods = cargo([
        "test",
        "--workspace",
        "--test",
        "board",
        "--",
        "--nocapture",
        "invariant_7",
    ]);
    floods.env("GATEPOST_FLOOD_SECONDS", FLOOD_SECONDS);
    Ok(succeeds(&mut fresh("roots"))?
        && succeeds(&mut cargo(build))?
        && appliance::build_tested()?
        && succeeds(&mut floods)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_theme_names_its_members() {
        let member = |name: &str| Member {
            name: name.to_owned(),
            lacking: vec![],
            run: Box::new(|| Ok(true)),
        };
        let wire = member("mutants: wire");
        assert!(wire.is_wanted(&[]) && wire.is_wanted(&["fuzz", "mutants"]));
        assert!(wire.is_wanted(&["mutants: wire"]));
        assert!(!wire.is_wanted(&["mutants: policy"]) && !wire.is_wanted(&["mut"]));
    }

    #[test]
    fn every_member_has_a_theme_of_its_own() {
        for member in members().expect("the targets' folder") {
            assert_ne!(budget::LONG.of(&member.name).0, "", "{}", member.name);
        }
    }
}
