//! The `log` crate's records as lines on the UART, such as `INFO  listening port=12345`.
//!
//! No record holds a token, a password or a secret: that is up to those who log.

use log::{LevelFilter, Log, Metadata, Record};

use super::uart;

const LEVEL: LevelFilter = LevelFilter::Info;

struct Logger;

static LOGGER: Logger = Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LEVEL
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            uart::write_line(format_args!("{:<5} {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// From here on records become lines.
pub(crate) fn start() {
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LEVEL);
    }
}
