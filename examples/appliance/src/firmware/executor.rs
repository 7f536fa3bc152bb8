//! The two executors: the network's, which an interrupt runs, and thread mode's below it.
//!
//! Whatever takes long, such as a signature, runs in thread mode, so that the network's tasks cut in
//! at any time. `embassy_net::Stack` and its sockets are the network's alone; between the two go
//! channels with a `CriticalSectionRawMutex`.

use core::cell::Cell;
use core::future::poll_fn;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::interrupt::InterruptNumber;
use cortex_m::{asm, interrupt};
use critical_section::Mutex;
use embassy_executor::{InterruptExecutor, SendSpawner, Spawner, raw};
use embassy_time::{Duration, Instant};
use static_cell::StaticCell;

use super::board;

static NETWORK: InterruptExecutor = InterruptExecutor::new();

/// Starts the network's executor, which runs from here on.
pub(crate) fn start_network() -> SendSpawner {
    NETWORK.start(board::NETWORK)
}

/// A task of the network was woken.
pub(crate) extern "C" fn on_network_interrupt() {
    // SAFETY: this is the executor's interrupt, which `start` has enabled.
    unsafe { NETWORK.on_interrupt() };
}

/// Whether a task of thread mode was woken since it last went to sleep.
static WOKEN: AtomicBool = AtomicBool::new(false);

/// When a task of thread mode last came to the end of a step, or thread mode to the end of its sleep.
static LAST_STEP: Mutex<Cell<Instant>> = Mutex::new(Cell::new(Instant::MIN));

/// Runs thread mode's executor, after `start` has spawned its tasks.
pub(crate) fn run_thread(start: impl FnOnce(Spawner)) -> ! {
    static THREAD: StaticCell<raw::Executor> = StaticCell::new();
    // embassy-executor wakes by raising the interrupt of this number, as for any other executor.
    let context = usize::from(board::THREAD.number());
    let executor: &'static raw::Executor = THREAD.init(raw::Executor::new(context as *mut ()));
    board::enable(board::THREAD);
    start(executor.spawner());
    loop {
        // SAFETY: thread mode alone calls this, and not from within a task.
        unsafe { executor.poll() };
        sleep();
        end_step();
    }
}

/// Runs a task of thread mode, each of whose steps counts as a sign of life: however many tasks have a step to do,
/// a signature each, silence is what one of them does not end.
pub(crate) async fn watched<T>(mut task: Pin<&mut impl Future<Output = T>>) -> T {
    poll_fn(|context| {
        let polled = task.as_mut().poll(context);
        end_step();
        polled
    })
    .await
}

fn end_step() {
    let now = Instant::now();
    critical_section::with(|section| LAST_STEP.borrow(section).set(now));
}

/// A task of thread mode was woken.
pub(crate) extern "C" fn on_thread_interrupt() {
    WOKEN.store(true, Ordering::Relaxed);
}

/// Sleeps until the next interrupt, unless a task was woken meanwhile.
///
/// With interrupts masked none comes between the look at the flag and the sleep, and WFI ends for
/// one that is pending all the same. WFE would do without the flag, but QEMU does not sleep in it.
fn sleep() {
    interrupt::free(|_| {
        if !WOKEN.swap(false, Ordering::Relaxed) {
            asm::wfi();
        }
    });
}

/// For how long thread mode has been in the same step of a task.
pub(crate) fn thread_silence() -> Duration {
    critical_section::with(|section| LAST_STEP.borrow(section).get()).elapsed()
}
