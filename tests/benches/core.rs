//! What a login costs on the core, beside the bare signature and beside others.
//!
//! Times are medians of rounds in which every subject takes its turn, so that a busy machine slows all of
//! them alike; instruction counts come from valgrind where it is installed. Run by `cargo xtask bench core`.

use aws_lc_rs::rsa::KeySize;
use core_bench::{counting::heap_calls, subject::Subject, table};

#[path = "core_bench/mod.rs"]
mod core_bench;

#[global_allocator]
static ALLOCATOR: core_bench::counting::Counting = core_bench::counting::Counting;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let subjects = subjects();
    match args.next().as_deref() {
        Some("--only") => {
            core_bench::instructions::run_one(&subjects, &args.next().expect("a subject"))
        }
        _ => table::print(&subjects, heap_calls),
    }
}

/// The subjects in the order of the table; `RS256` tokens have 1,075 bytes and `ES256` tokens 819, as a
/// common provider's have.
fn subjects() -> Vec<Subject> {
    let mut subjects = Vec::new();
    subjects.extend(core_bench::subject::logins("RS256", 1075, KeySize::Rsa2048));
    subjects.extend(core_bench::subject::logins("ES256", 819, KeySize::Rsa2048));
    subjects.extend(core_bench::subject::rsa_against_ring(
        2048,
        KeySize::Rsa2048,
    ));
    subjects.extend(core_bench::subject::rsa_against_ring(
        4096,
        KeySize::Rsa4096,
    ));
    subjects
}
