//! The table of providers: what each issues and answers, what Gatepost takes of it, and what it refuses.
//!
//! One trial a case of `vectors/providers/*.toml`; the page for readers, `adapters/daemon/PROVIDERS.md`, is
//! written from the same files. `GATEPOST_WRITE_PAGES=1` writes it anew.

mod config;
mod judged;
mod page;
mod table;

use gatepost_tests::corpora::{self, trial};

fn main() {
    let providers = table::read_all();
    let mut trials = vec![];
    for (file, provider) in &providers {
        for case in &provider.case {
            let (provider, case) = (provider.clone(), case.clone());
            let name = format!("{file}: {} ({:?})", case.what, case.kind);
            trials.push(trial(name, move || {
                let config = provider.config(&case);
                assert_eq!(
                    judged::verdict(config, &case),
                    case.verdict,
                    "{}",
                    config.name
                );
            }));
        }
    }
    trials.push(trial("the table is whole", {
        let providers = providers.clone();
        move || table::check(&providers)
    }));
    trials.push(trial("the page says what the table says", move || {
        page::check(&providers);
    }));
    corpora::run(trials, &[]);
}
