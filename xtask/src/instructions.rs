//! How many instructions a login takes in core, beside what was recorded: `cargo xtask bench core`.
//!
//! Valgrind counts a release build of `tests/instructions`. The counts are the same on every x86-64 processor:
//! core looks at none, and libc is told to use what all of them have.

mod callgrind;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use self::callgrind::Costs;
use crate::Outcome;
use crate::workspace::{cargo, output, root, succeeds, target_dir};

/// What was counted when it was last recorded.
const RECORDED: &str = "tests/instructions/recorded.toml";

/// By how many hundredths a count may be above what is recorded.
const TOLERANCE: u64 = 3;

/// The functions that take less than so many thousandths are summed up.
const NOTABLE: u64 = 8;

/// What keeps libc's functions for memory from looking at the processor: all beyond the x86-64 baseline is off.
const BASELINE: &str = "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-BMI2,-ERMS,-FSRM,-MOVBE,\
                        -SSSE3,-SSE4_1,-SSE4_2,-AVX_Fast_Unaligned_Load,-Fast_Unaligned_Copy";

/// Counts by subject.
type Counts = BTreeMap<String, u64>;

/// What this machine lacks for counting.
pub(crate) fn lacking() -> Vec<String> {
    let mut lacking = Vec::new();
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        lacking.push("the figures are of x86-64 and Linux".to_owned());
    }
    let mut version = Command::new("valgrind");
    version
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        lacking.push("valgrind is not installed".to_owned());
    }
    lacking
}

/// A subject, and what it takes.
struct Counted {
    name: String,
    /// Of all runs together.
    costs: Costs,
    runs: u64,
}

impl Counted {
    /// The instructions of one run.
    fn count(&self) -> u64 {
        self.costs.total() / self.runs
    }

    fn print_by_function(&self) {
        println!("\n{}: {} instructions", self.name, self.count());
        let total = self.costs.total();
        let mut rest = total;
        for (function, cost) in self.costs.descending() {
            if cost * 1000 < total * NOTABLE {
                break;
            }
            rest -= cost;
            println!("{:>9}  {function}", cost / self.runs);
        }
        println!("{:>9}  all else", rest / self.runs);
    }
}

/// Prints what each subject takes, by function.
pub(crate) fn print() -> Outcome {
    count_all()?.iter().for_each(Counted::print_by_function);
    Ok(true)
}

/// Compares what each subject takes with what is recorded; says by function what takes too much.
pub(crate) fn check() -> Outcome {
    let recorded = read(&fs::read_to_string(root().join(RECORDED))?)?;
    let counted = count_all()?;
    let mut is_good = true;
    for subject in &counted {
        let count = subject.count();
        if let Some(&before) = recorded.get(&subject.name) {
            println!("{}", comparison(&subject.name, count, before));
            if is_regression(count, before) {
                is_good = false;
                subject.print_by_function();
            }
        } else {
            println!("{}: {count} instructions, none recorded", subject.name);
            is_good = false;
        }
    }
    for name in recorded.keys() {
        if counted.iter().all(|subject| subject.name != *name) {
            println!("{name}: recorded, and no longer counted");
            is_good = false;
        }
    }
    if !is_good {
        println!(
            "by {}; where that is meant: cargo xtask bench core --record, and commit {RECORDED}",
            compiler()?
        );
    }
    Ok(is_good)
}

/// Records what each subject takes.
pub(crate) fn record() -> Outcome {
    let counted = count_all()?.into_iter();
    let counts: Counts = counted
        .map(|subject| (subject.name.clone(), subject.count()))
        .collect();
    fs::write(root().join(RECORDED), written(&counts, &compiler()?))?;
    Ok(true)
}

fn is_regression(count: u64, before: u64) -> bool {
    count * 100 > before * (100 + TOLERANCE)
}

fn comparison(name: &str, count: u64, before: u64) -> String {
    let judgement = if is_regression(count, before) {
        format!("  more than {TOLERANCE} % ABOVE")
    } else if is_regression(before, count) {
        "  below: worth recording".to_owned()
    } else {
        String::new()
    };
    format!("{name:<24} {count:>9} instructions, recorded {before:>9}{judgement}")
}

/// The compiler, by name and version.
fn compiler() -> Result<String, Box<dyn Error>> {
    let version = output(Command::new("rustc").arg("--version"))?;
    Ok(version.trim().to_owned())
}

/// Counts `name = count` a line; lines that begin with `#` are comments.
fn read(text: &str) -> Result<Counts, String> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (name, count) = line.split_once('=').ok_or("no `=`")?;
            let count = count.trim().parse().map_err(|_| "no count")?;
            Ok((name.trim().to_owned(), count))
        })
        .collect::<Result<_, &str>>()
        .map_err(|why| format!("{RECORDED}: {why}"))
}

fn written(counts: &Counts, compiler: &str) -> String {
    let lines = counts
        .iter()
        .map(|(name, count)| format!("{name} = {count}\n"));
    format!(
        "# Instructions of one run, counted by valgrind: `cargo xtask bench core --record` writes this file.\n\
         # Built by {compiler}.\n{}",
        lines.collect::<String>()
    )
}

/// Builds what is counted, and counts each of its subjects.
fn count_all() -> Result<Vec<Counted>, Box<dyn Error>> {
    let package = "gatepost-instructions";
    let build = ["build", "--locked", "--profile", "counted", "-p", package];
    if !succeeds(&mut cargo(build))? {
        return Err("what is counted cannot be built".into());
    }
    let program = target_dir().join("counted").join(package);
    let reports = target_dir().join("instructions");
    fs::create_dir_all(&reports)?;
    let subjects = output(&mut Command::new(&program))?;
    let counted = subjects.lines().map(|line| {
        let (runs, name) = line.split_once(' ').ok_or("a subject without a name")?;
        Ok(Counted {
            name: name.to_owned(),
            costs: count(&program, name, &reports.join(name))?,
            runs: runs.parse()?,
        })
    });
    counted.collect()
}

fn count(program: &Path, subject: &str, report: &Path) -> Result<Costs, Box<dyn Error>> {
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(report);
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--quiet", "--tool=callgrind"])
        .arg("--toggle-collect=gatepost_measured")
        .arg(out)
        .arg(program)
        .arg(subject)
        .env("GLIBC_TUNABLES", BASELINE);
    if !valgrind.status()?.success() {
        return Err(format!("{subject} cannot be counted").into());
    }
    let costs = Costs::read(&fs::read_to_string(report)?);
    if costs.total() == 0 {
        return Err(format!("{subject}: nothing was counted").into());
    }
    Ok(costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_hundredths_more_are_no_regression() {
        assert!(!is_regression(103, 100) && is_regression(104, 100));
        assert!(!is_regression(90, 100));
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        let counts = Counts::from([("a_b".to_owned(), 12), ("c".to_owned(), 3)]);
        assert_eq!(read(&written(&counts, "rustc 1.95.0")), Ok(counts));
        assert!(read("a 1").is_err() && read("a = one").is_err());
    }

    #[test]
    fn a_comparison_says_what_is_to_be_done() {
        assert!(comparison("a", 104, 100).ends_with("ABOVE"));
        assert!(comparison("a", 100, 100).ends_with("100"));
        assert!(comparison("a", 96, 100).ends_with("worth recording"));
    }
}
