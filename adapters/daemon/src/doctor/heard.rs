//! What the daemon would log meanwhile: the reasons of what the report says below.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;

/// Prints warnings as notes of the report.
pub(super) fn say() {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(|| Note)
        .with_ansi(false)
        .with_target(false)
        .with_level(false)
        .without_time()
        .with_max_level(LevelFilter::WARN)
        .log_internal_errors(false);
    // Fails only where there is one already.
    let _ = set_global_default(subscriber.finish());
}

/// Takes one line at once.
struct Note;

impl Write for Note {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = String::from_utf8_lossy(line);
        super::note(shown.trim_end());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
