//! The firmware: boots the board, brings its network up and serves.

mod board;
mod clock;
mod config;
#[cfg(online)]
mod entropy;
mod ethernet;
mod executor;
mod fault;
mod logger;
mod memory;
mod network;
#[cfg_attr(online, path = "online.rs")]
#[cfg_attr(not(online), path = "alone.rs")]
mod providers;
mod service;
#[cfg(online)]
mod tls;
mod uart;
mod watchdog;

use cortex_m::Peripherals;
use cortex_m_rt::entry;
use embassy_executor::{SpawnError, Spawner};
use embassy_time::{Duration, Timer};

/// How often the use of memory is looked at.
const MEASURING: Duration = Duration::from_secs(5);

#[entry]
fn main() -> ! {
    if let Some(peripherals) = Peripherals::take() {
        boot(peripherals);
    }
    executor::run_thread(|spawner| {
        if let Err(error) = background(spawner) {
            log::error!("no background error={error:?}");
        }
    })
}

/// Sets the processor and the board up and starts the network's tasks.
fn boot(mut peripherals: Peripherals) {
    memory::protect(&mut peripherals.MPU);
    board::set_priorities(&mut peripherals.NVIC);
    uart::start();
    logger::start();
    clock::start(&mut peripherals.SYST);
    watchdog::start();
    log::info!("started board={}", board::NAME);
    let spawner = executor::start_network();
    match network::start() {
        Ok(task) => spawner.spawn(task),
        Err(error) => log::error!("no network error={error:?}"),
    }
}

/// Starts the tasks of thread mode, which every other one interrupts.
fn background(spawner: Spawner) -> Result<(), SpawnError> {
    spawner.spawn(measure()?);
    service::start_judging(spawner)
}

/// Logs the use of memory whenever the stack has reached a new depth.
#[embassy_executor::task]
async fn measure() -> ! {
    let mut deepest = 0;
    loop {
        let usage = memory::usage();
        if usage.stack > deepest {
            deepest = usage.stack;
            log::info!(
                "memory statics={} stack={} frames_refused={}",
                usage.statics,
                usage.stack,
                ethernet::refused()
            );
        }
        Timer::after(MEASURING).await;
    }
}
