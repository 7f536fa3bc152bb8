//! A command whose reader has gone ends, as others do: `gatepost doctor | head`.

use std::panic;
use std::process;

/// What shells show of a process that SIGPIPE has ended.
const GONE: i32 = 141;

/// How a panic of `println!` begins.
const NOT_PRINTED: &str = "failed printing to stdout";

/// Has the process end quietly where standard output has no reader any more, in which `println!` panics. The signal is
/// left alone, as it would end a command whose provider closes a connection as well.
pub(crate) fn end_without_reader() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload().downcast_ref::<String>();
        if text.is_some_and(|text| text.starts_with(NOT_PRINTED)) {
            process::exit(GONE);
        }
        tell(panic);
    }));
}
