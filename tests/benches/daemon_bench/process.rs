//! What the kernel counts of a process.

use std::fs;
use std::io;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_setaffinity};

/// How often memory is looked at while it is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Keeps this process off the servers' core.
pub(crate) fn pin_to_core(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Lets this process, and those that it starts, have `files` open.
pub(crate) fn allow_files(files: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let allowed = |limit: Option<u64>| limit.map_or(files, |limit| limit.max(files));
    if limit.current.is_some_and(|current| current < files) {
        let raised = Rlimit {
            current: Some(files),
            maximum: Some(allowed(limit.maximum)),
        };
        setrlimit(Resource::Nofile, raised)?;
    }
    Ok(())
}

/// The processor's time that it has had, user and system: nanoseconds, where `stat` has hundredths of seconds.
pub(crate) fn cpu(id: u32) -> io::Result<Duration> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{id}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let ran = text.split(' ').next().and_then(|ran| ran.parse().ok());
        sum += ran.unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}

/// What it holds in memory, in KB.
pub(crate) fn resident(id: u32) -> io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    Ok(kilobytes.unwrap_or(f64::NAN))
}

/// What it held at most meanwhile, in KB.
pub(crate) fn highest_resident(id: u32, meanwhile: Duration) -> io::Result<f64> {
    let mut highest: f64 = 0.0;
    for _ in 0..meanwhile.as_millis() / LOOK.as_millis() {
        highest = highest.max(resident(id)?);
        thread::sleep(LOOK);
    }
    Ok(highest)
}
