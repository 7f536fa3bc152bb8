//! The report of valgrind's callgrind, as its manual describes the format: what each function takes itself.

use std::collections::{BTreeMap, HashMap};

/// Instructions by function, without those of what it calls.
pub(super) struct Costs(BTreeMap<String, u64>);

impl Costs {
    /// Reads a report.
    pub(super) fn read(report: &str) -> Self {
        let mut costs = BTreeMap::new();
        let mut names = HashMap::new();
        let mut function = String::new();
        let mut is_call = false;
        for line in report.lines() {
            if let Some(name) = line.strip_prefix("fn=") {
                function = full_name(name, &mut names);
            } else if let Some(name) = line.strip_prefix("cfn=") {
                full_name(name, &mut names);
            } else if line.starts_with("calls=") {
                // The next line is what was called takes.
                is_call = true;
            } else if line.starts_with(|c: char| c.is_ascii_digit() || "+-*".contains(c)) {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse().ok());
                if !std::mem::take(&mut is_call) {
                    *costs.entry(function.clone()).or_default() += cost.unwrap_or(0);
                }
            }
        }
        Self(costs)
    }

    /// What all of them take.
    pub(super) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Those that take most first.
    pub(super) fn descending(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, cost)| (&**name, *cost)).collect();
        all.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        all
    }
}

/// `(7) name` gives a name its number, `(7)` repeats it.
fn full_name(written: &str, names: &mut HashMap<String, String>) -> String {
    match written.split_once(' ') {
        Some((number, name)) if number.starts_with('(') => {
            names.insert(number.to_owned(), name.to_owned());
            name.to_owned()
        }
        _ => names.get(written).cloned().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_called_counts_for_itself_alone() {
        let report = "events: Ir\n\nfl=(1) a.rs\nfn=(1) outer\n10 3\n+1 4\ncfn=(2) inner one\ncalls=2 5\n* 100\n\
                      -2 1\n\nfn=(2)\n20 50\nfi=(3) b.rs\n+0 50\nfn=(1)\n11 2\ntotals: 110\n";
        let costs = Costs::read(report);
        assert_eq!(costs.descending(), [("inner one", 100), ("outer", 10)]);
        assert_eq!(costs.total(), 110);
    }
}
