//! The figures that every process has, by the names that Prometheus' own libraries give them.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::resource::{Resource, getrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::figure::{counter, gauge};

/// Reads them anew at each look.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        if let Some(stat) = Stat::read() {
            let help = "Time that the processor has worked for this process.";
            counter(to, "process_cpu_seconds", help, [([], stat.cpu_seconds)])?;
            let help = "When this process began, in seconds since 1970.";
            gauge(to, "process_start_time_seconds", help, [([], stat.start)])?;
            let help = "Address space of this process.";
            gauge(
                to,
                "process_virtual_memory_bytes",
                help,
                [([], stat.virtual_bytes)],
            )?;
            let help = "Memory of this process that is in RAM.";
            gauge(
                to,
                "process_resident_memory_bytes",
                help,
                [([], stat.resident_bytes)],
            )?;
            let help = "Threads of this process.";
            gauge(to, "process_threads", help, [([], stat.threads)])?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            let help = "Files that this process has open.";
            gauge(
                to,
                "process_open_fds",
                help,
                [([], number(open.count() as u64))],
            )?;
        }
        if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let help = "Files that this process may have open.";
            gauge(to, "process_max_fds", help, [([], number(soft))])?;
        }
        Ok(())
    }
}

/// What `proc_pid_stat(5)` says of this process.
struct Stat {
    cpu_seconds: f64,
    start: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
    threads: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/stat").ok()?;
        // The name before it may hold anything.
        let (_, fields) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        // The first of these is the third of the page.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        let ticks = number(sysconf(SysconfVar::CLK_TCK).ok()??.try_into().ok()?);
        let page = number(sysconf(SysconfVar::PAGE_SIZE).ok()??.try_into().ok()?);
        // Without /proc/stat, which a unit with `ProcSubset=pid` does not have.
        let since_boot: Duration = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?.into();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let booted = now.as_secs_f64() - since_boot.as_secs_f64();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            start: booted + field(22)? / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page,
            threads: field(20)?,
        })
    }
}

/// Exact below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures are floating-point numbers"
)]
fn number(value: u64) -> f64 {
    value as f64
}
