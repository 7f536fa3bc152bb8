//! What a login costs on the core, beside the bare signature and beside others.
//!
//! Times are medians of rounds in which every subject takes its turn, so that a busy machine slows all of
//! them alike; instruction counts come from valgrind where it is installed. Run by `cargo xtask bench core`.

use core_bench::{instructions, subject, table, token};

#[path = "core_bench/mod.rs"]
mod core_bench;

#[global_allocator]
static ALLOCATOR: core_bench::counting::Counting = core_bench::counting::Counting;

fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    if args.next().as_deref() == Some("--only") {
        let tokens = token::load()?;
        instructions::run_one(&subject::all(&tokens), &args.next().expect("a subject"));
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let tokens = token::mint();
    token::save(&tokens, folder.path())?;
    table::print(&subject::all(&tokens), folder.path());
    Ok(())
}
