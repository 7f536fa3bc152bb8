//! `cargo xtask test`: everything, in the order in which a failure is cheapest to find.

use std::error::Error;
use std::io::{self, PipeReader, Read, Write};
use std::process::Child;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::aarch64;
use crate::appliance;
use crate::instructions;
use crate::libtest::Reading;
use crate::lint;
use crate::tally::Tally;
use crate::workspace::{
    BARE_TARGETS, announce, built, cargo, install_targets, output, succeeds, target_dir,
};

/// How long the output may stay open once cargo has ended: whoever holds it then outlived the tests.
const GRACE: Duration = Duration::from_secs(10);

/// How much of the tests' output is taken at once, in bytes.
const CHUNK: usize = 8192;

/// Runs every check and every test, and prints the count.
pub(crate) fn run() -> Outcome {
    let mut tally = Tally::default();
    tally.need("targets without an operating system", || {
        install_targets(&BARE_TARGETS)
    });
    lint::check_all(&mut tally);
    let are_built = tally.need("build of the tests", build_tests);
    tally.check("real servers", || Ok(succeeds(&mut built("roots"))?));
    tally.check("firmware of the appliance", appliance::build_tested);
    tally.check("sizes of the appliance's images", appliance::size::print);
    if are_built {
        tally.add(test_workspace()?);
    }
    tally.check_unless(
        &instructions::lacking(),
        "instructions of a login",
        instructions::check,
    );
    tally.check("demo", || {
        Ok(succeeds(&mut cargo(["run", "--release", "--", "demo"]))?)
    });
    tally.check("demo of the online path", || {
        let demo = ["run", "--release", "--", "demo", "--provider"];
        Ok(succeeds(&mut cargo(demo))?)
    });
    tally.check_unless(&lacking_for_mail(), "demo with real mail servers", || {
        let daemon = target_dir().join("release/gatepost");
        let mut demo = built("mail_demo");
        Ok(succeeds(demo.arg("--once").env("GATEPOST_BIN", daemon))?)
    });
    tally.check("example verify_token", || {
        Ok(succeeds(&mut cargo(["run", "-p", "verify_token"]))?)
    });
    tally.check_unless(
        &appliance::lacking(built),
        "gateway on a board of QEMU's",
        || appliance::qemu(None, true, built),
    );
    tally.check_unless(
        &aarch64::lacking(built),
        "static ARM build and its demo under qemu-user",
        || aarch64::demonstrate(built),
    );
    println!("{tally}");
    let strict = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    Ok(tally.is_good(strict))
}

/// What this machine lacks for the demo with real mail servers.
fn lacking_for_mail() -> Vec<String> {
    match output(built("mail_demo").arg("--lacking")) {
        Ok(lines) => lines.lines().map(str::to_owned).collect(),
        Err(error) => vec![error.to_string()],
    }
}

fn build_tests() -> Outcome {
    Ok(succeeds(&mut cargo(["test", "--workspace", "--no-run"]))?)
}

/// Runs all test binaries and doctests, and reads their output while it streams by.
fn test_workspace() -> Result<Tally, Box<dyn Error>> {
    let mut command = cargo(["test", "--workspace", "--no-fail-fast"]);
    // The reading knows plain headings only.
    command
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_QUIET", "false");
    announce(&command);
    let (reader, writer) = io::pipe()?;
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    drop(command); // It holds the pipe's other end.
    let (sender, chunks) = mpsc::channel();
    // Detached on purpose: a process that outlives the tests would keep it waiting for ever.
    std::thread::spawn(move || copy(reader, &sender));
    read_to_end(child, &chunks)
}

/// Copies to standard output as bytes arrive, so that nothing waits for the end of a line.
fn copy(mut reader: PipeReader, sender: &mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    let mut buffer = [0; CHUNK];
    loop {
        let length = reader.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(&buffer[..length])?;
        stdout.flush()?;
        if sender.send(buffer[..length].to_vec()).is_err() {
            return Ok(());
        }
    }
}

fn read_to_end(mut child: Child, chunks: &Receiver<Vec<u8>>) -> Result<Tally, Box<dyn Error>> {
    let mut reading = Reading::new();
    let mut line = Vec::new();
    let mut last = Instant::now();
    let mut left_behind = false;
    loop {
        match chunks.recv_timeout(GRACE) {
            Ok(chunk) => {
                last = Instant::now();
                for byte in chunk {
                    if byte == b'\n' {
                        reading.line(&String::from_utf8_lossy(&line), last);
                        line.clear();
                    } else {
                        line.push(byte);
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_none() => {}
            Err(RecvTimeoutError::Timeout) => {
                left_behind = true;
                break;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let mut tally = reading.finish(child.wait()?.success(), last);
    if left_behind {
        tally.fail("a process outlived the tests and holds their output".to_owned());
    }
    Ok(tally)
}
