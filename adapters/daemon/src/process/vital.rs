//! Threads without which the daemon would stand still: one that dies ends the process, and somebody starts it again.

use std::cell::Cell;
use std::io;
use std::panic::{self, PanicHookInfo};
use std::process;
use std::thread;

use crate::log;

/// What a process ends with one of whose threads has died.
const DIED: i32 = 70; // EX_SOFTWARE of sysexits.h

thread_local! {
    /// Whether a panic of a task on this thread ends the process as well.
    static IS_STRICT: Cell<bool> = const { Cell::new(false) };
}

/// Does `work` on a thread of that name. If it panics, the process ends; a task that panics ends by itself.
pub(crate) fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let alive = Alive(name.clone());
    let work = move || {
        work();
        drop(alive);
    };
    thread::Builder::new().name(name).spawn(work).map(drop)
}

/// As [`spawn`], for tasks none of which may end.
pub(crate) fn spawn_strict(name: String, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let work = move || {
        be_strict();
        work();
    };
    spawn(name, work)
}

/// Has every panic on this thread end the process, also one of a task.
pub(crate) fn be_strict() {
    IS_STRICT.set(true);
}

/// Has every panic logged. The text of one may hold what came from outside, so that only fixed texts are told.
pub(crate) fn log_panics() {
    panic::set_hook(Box::new(tell));
}

fn tell(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let place = panic.location().map(ToString::to_string);
    let text = panic.payload().downcast_ref::<&str>();
    tracing::error!(thread = thread.name(), place, text, "panicked");
    if IS_STRICT.get() {
        end(thread.name());
    }
}

/// A thread that is expected to live.
struct Alive(String);

impl Drop for Alive {
    fn drop(&mut self) {
        if thread::panicking() {
            end(Some(&self.0));
        }
    }
}

fn end(thread: Option<&str>) -> ! {
    tracing::error!(thread, "a thread has died: gatepost ends");
    log::flush();
    process::exit(DIED);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::config::{Log, LogLevel};

    /// What tells a process that it is the one which is to die.
    const DIES: &str = "GATEPOST_TEST_DIES";

    #[test]
    fn a_thread_that_dies_ends_the_process_with_a_line() {
        if let Ok(how) = std::env::var(DIES) {
            log::start(&Log::of(LogLevel::Warn));
            log_panics();
            let name = "judge-7".to_owned();
            if how == "thread" {
                spawn(name, || panic!("on purpose")).unwrap();
            } else {
                let builder = &mut tokio::runtime::Builder::new_current_thread();
                let runtime = builder.build().unwrap();
                let work = async {
                    tokio::spawn(async { panic!("on purpose") });
                    std::future::pending::<()>().await;
                };
                spawn_strict(name, move || runtime.block_on(work)).unwrap();
            }
            loop {
                thread::park();
            }
        }
        let name = "process::vital::tests::a_thread_that_dies_ends_the_process_with_a_line";
        for how in ["thread", "task"] {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command
                .args(["--exact", name, "--nocapture"])
                .env(DIES, how);
            let ended = command.output().unwrap();
            let words = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(DIED), "{words}");
            assert!(
                words.contains("panicked") && words.contains("on purpose"),
                "{words}"
            );
            assert!(
                words.contains("gatepost ends thread=\"judge-7\""),
                "{words}"
            );
        }
    }
}
