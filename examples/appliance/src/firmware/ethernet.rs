//! The LAN9118 as a driver of embassy-net.
//!
//! An interrupt only says that there is something to look at: it masks itself and wakes the
//! network's task, which takes frames until there are none, lets the controller interrupt again, and
//! looks once more before it sleeps. So a flood of frames costs one interrupt, and no frame waits
//! unnoticed.
//!
//! At most [`FRAMES_A_TICK`] frames are taken in a tick; the others wait in the controller, which
//! drops what it has no room for. That leaves thread mode its share of the processor, whatever
//! arrives.

use core::sync::atomic::{AtomicU32, Ordering};
use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use embassy_time::Instant;
use static_cell::ConstStaticCell;

use super::{board, clock};
use crate::lan9118::registers::{Bus, Register};
use crate::lan9118::{Error, FRAME_LIMIT, Frame, Lan9118, Received};

/// 8,000 frames of full length a second are the 100 Mbit/s of the wire.
const FRAMES_A_TICK: u8 = 8;

static WAKER: AtomicWaker = AtomicWaker::new();
static REFUSED: AtomicU32 = AtomicU32::new(0);

/// The controller with one frame of memory each way.
pub(crate) struct Ethernet {
    chip: Lan9118<Registers>,
    received: &'static mut Frame,
    sent: &'static mut Frame,
    allowance: Allowance,
}

impl Ethernet {
    /// Starts the controller; may be called once.
    ///
    /// # Errors
    /// As [`Lan9118::start`].
    pub(crate) fn start() -> Result<Self, Error> {
        // Not within the driver, which is handed from task to task.
        static RECEIVED: ConstStaticCell<Frame> = ConstStaticCell::new([0; size_of::<Frame>()]);
        static SENT: ConstStaticCell<Frame> = ConstStaticCell::new([0; size_of::<Frame>()]);
        let chip = Lan9118::start(Registers)?;
        // Not sooner: until it is set up, the controller's line is active.
        board::enable(board::ETHERNET_EVENT);
        Ok(Self {
            chip,
            received: RECEIVED.take(),
            sent: SENT.take(),
            allowance: Allowance::default(),
        })
    }

    /// The station address.
    pub(crate) fn mac_address(&self) -> [u8; 6] {
        self.chip.mac_address()
    }

    /// A number that is hard to tell from outside, though not a random one.
    pub(crate) fn jitter(&self) -> u32 {
        self.chip.free_running()
    }

    /// Takes the next good frame into `received`, and tells its length.
    fn next_frame(&mut self, context: &Context<'_>) -> Option<usize> {
        while self.frame_waits(context) {
            if !self.allowance.take() {
                clock::wake_next_tick(context);
                return None;
            }
            match self.chip.receive(self.received) {
                Received::Frame(length) => return Some(length),
                Received::Refused => REFUSED.fetch_add(1, Ordering::Relaxed),
            };
        }
        None
    }

    /// Whether a frame waits; if not, the next one will interrupt.
    fn frame_waits(&self, context: &Context<'_>) -> bool {
        if self.chip.frame_waits() {
            return true;
        }
        WAKER.register(context.waker());
        self.chip.arm();
        self.chip.frame_waits()
    }
}

/// How many frames were refused since the start.
pub(crate) fn refused() -> u32 {
    REFUSED.load(Ordering::Relaxed)
}

/// The controller has something to look at.
pub(crate) extern "C" fn on_interrupt() {
    Registers.write(Register::IntEn, 0);
    WAKER.wake();
}

impl Driver for Ethernet {
    type RxToken<'a> = Incoming<'a>;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Incoming<'_>, Outgoing<'_>)> {
        self.chip.take_events();
        if !self.chip.has_room() {
            clock::wake_next_tick(context);
            return None; // The frame may want an answer.
        }
        let length = self.next_frame(context)?;
        let frame = self.received.get_mut(..length)?;
        let answer = Outgoing {
            chip: &mut self.chip,
            frame: self.sent,
        };
        Some((Incoming(frame), answer))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<Outgoing<'_>> {
        if !self.chip.has_room() {
            clock::wake_next_tick(context);
            return None;
        }
        Some(Outgoing {
            chip: &mut self.chip,
            frame: self.sent,
        })
    }

    fn link_state(&mut self, _context: &mut Context<'_>) -> LinkState {
        if self.chip.link_up() {
            LinkState::Up
        } else {
            LinkState::Down
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_LIMIT;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.chip.mac_address())
    }
}

/// A frame that was received.
pub(crate) struct Incoming<'a>(&'a mut [u8]);

impl RxToken for Incoming<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for a frame to be sent.
pub(crate) struct Outgoing<'a> {
    chip: &'a mut Lan9118<Registers>,
    frame: &'a mut Frame,
}

impl TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        let length = length.min(FRAME_LIMIT); // More was never offered.
        let result = fill(&mut self.frame[..length]);
        self.chip.send(self.frame, length);
        result
    }
}

/// How many frames may still be taken in this tick.
#[derive(Default)]
struct Allowance {
    tick: u64,
    left: u8,
}

impl Allowance {
    fn take(&mut self) -> bool {
        let tick = Instant::now().as_ticks();
        if self.tick != tick {
            self.tick = tick;
            self.left = FRAMES_A_TICK;
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

/// The controller's registers in the board's address space.
struct Registers;

impl Bus for Registers {
    fn read(&self, register: Register) -> u32 {
        let address = board::ETHERNET + register as usize;
        // SAFETY: the board has this register of the controller at this address.
        unsafe { (address as *const u32).read_volatile() }
    }

    fn write(&self, register: Register, value: u32) {
        let address = board::ETHERNET + register as usize;
        // SAFETY: as for `read`; the controller reads and writes no memory of its own accord.
        unsafe { (address as *mut u32).write_volatile(value) }
    }
}
