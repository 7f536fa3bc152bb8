//! The time driver: `SysTick` at 1 kHz, counted in 64 bits.

use core::cell::{Cell, RefCell};
use core::task::{Context, Waker};

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use critical_section::Mutex;
use embassy_time_driver::{Driver, TICK_HZ};
use embassy_time_queue_utils::Queue;

use super::board;

const SYSTICK_HZ: u32 = 1_000;
const _: () = assert!(TICK_HZ == SYSTICK_HZ as u64); // By embassy-time's feature.

struct Clock {
    ticks: Mutex<Cell<u64>>,
    /// When the next waker of the queue is due.
    due: Mutex<Cell<u64>>,
    queue: Mutex<RefCell<Queue>>,
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock {
    ticks: Mutex::new(Cell::new(0)),
    due: Mutex::new(Cell::new(u64::MAX)),
    queue: Mutex::new(RefCell::new(Queue::new())),
});

impl Driver for Clock {
    fn now(&self) -> u64 {
        critical_section::with(|section| self.ticks.borrow(section).get())
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        critical_section::with(|section| {
            let mut queue = self.queue.borrow(section).borrow_mut();
            if queue.schedule_wake(at, waker) {
                let now = self.ticks.borrow(section).get();
                self.due.borrow(section).set(queue.next_expiration(now));
            }
        });
    }
}

impl Clock {
    fn tick(&self) {
        critical_section::with(|section| {
            let now = self.ticks.borrow(section).get() + 1;
            self.ticks.borrow(section).set(now);
            if now >= self.due.borrow(section).get() {
                let mut queue = self.queue.borrow(section).borrow_mut();
                self.due.borrow(section).set(queue.next_expiration(now));
            }
        });
    }
}

#[exception]
fn SysTick() {
    CLOCK.tick();
}

/// Starts time.
pub(crate) fn start(timer: &mut SYST) {
    timer.set_clock_source(SystClkSource::Core);
    timer.set_reload(board::CLOCK_HZ / SYSTICK_HZ - 1);
    timer.clear_current();
    timer.enable_interrupt();
    timer.enable_counter();
}

/// Wakes the task of `context` at the next tick.
pub(crate) fn wake_next_tick(context: &Context<'_>) {
    CLOCK.schedule_wake(CLOCK.now() + 1, context.waker());
}
