//! The LAN9118 Ethernet controller: registers, frames in, frames out.
//!
//! Everything that comes from the wire is hostile here: whatever a frame's status says, the work for
//! it is bounded, and the two receive FIFOs (statuses and data) stay in step. Nothing waits for
//! ever: a controller that does not answer within a bound is passed over.
//!
//! Names and numbers are those of the LAN9118's data sheet (SMSC, revision 1.5).

pub(crate) mod registers;
#[cfg(test)]
mod tests;

use registers::{Bus, Mac, Phy, Register};

/// The longest Ethernet frame without its check sequence: a header of 14 bytes and 1500 of payload.
pub(crate) const FRAME_LIMIT: usize = 1514;

/// A frame, rounded up to the 32-bit words of the FIFOs.
pub(crate) type Frame = [u8; FRAME_LIMIT.next_multiple_of(4)];

/// The bytes of a frame's check sequence, which the controller counts and hands over.
const FCS: usize = 4;
/// A frame that holds nothing but its header.
const FRAME_MINIMUM: usize = 14;

/// How often a register is read until a flag changes. The slowest is the end of a frame that is
/// being received when the receiver is stopped: 1.2 ms at 10 Mbit/s.
const PATIENCE: u32 = 20_000;
/// As [`PATIENCE`], for a command to the MAC or the PHY: the latter takes 64 bits at 2.5 MHz.
const BRIEF: u32 = 1_000;

/// Why the controller cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Error {
    /// Something else, or nothing, answers at its address.
    Absent,
    /// It answers, but does not carry out what it is told.
    Stuck,
}

/// What was at the head of the receive FIFO.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Received {
    /// A good frame of so many bytes.
    Frame(usize),
    /// A frame that nobody should see: broken, too short, too long, or not for us.
    Refused,
}

/// The controller, set up and running.
pub(crate) struct Lan9118<B> {
    bus: B,
    mac_address: [u8; 6],
    link_up: bool,
}

impl<B: Bus> Lan9118<B> {
    /// Resets the controller behind `bus` and lets it send and receive. It does not interrupt yet.
    ///
    /// # Errors
    /// [`Error::Absent`] when the test register does not read as the data sheet promises;
    /// [`Error::Stuck`] when the MAC or the PHY stays busy.
    pub(crate) fn start(bus: B) -> Result<Self, Error> {
        let mut chip = Self {
            bus,
            mac_address: [0; 6],
            link_up: false,
        };
        chip.expect_identity()?;
        chip.reset();
        chip.negotiate().ok_or(Error::Stuck)?;
        chip.enable().ok_or(Error::Stuck)?;
        chip.mac_address = chip.read_address().ok_or(Error::Stuck)?;
        Ok(chip)
    }

    fn expect_identity(&self) -> Result<(), Error> {
        let found = self.await_register(Register::ByteTest, |value| value == registers::BYTE_ORDER)
            && self.await_register(Register::PmtCtrl, |value| value & registers::PMT_READY != 0);
        if found { Ok(()) } else { Err(Error::Absent) }
    }

    fn reset(&self) {
        self.bus.write(Register::HwCfg, registers::SOFT_RESET);
        self.await_register(Register::HwCfg, |value| value & registers::SOFT_RESET == 0);
        self.bus
            .write(Register::HwCfg, registers::STORE_AND_FORWARD);
        self.bus.write(Register::IntEn, 0);
        self.bus.write(Register::IntSts, u32::MAX);
    }

    /// Asks the other end of the cable for its best mode; the outcome comes as an event.
    fn negotiate(&mut self) -> Option<()> {
        self.write_phy(Phy::Control, registers::PHY_RESET)?;
        for _ in 0..PATIENCE {
            if self.read_phy(Phy::Control)? & registers::PHY_RESET == 0 {
                break;
            }
        }
        self.write_phy(Phy::Advertisement, registers::PHY_ADVERTISE_ALL)?;
        self.write_phy(Phy::InterruptMask, registers::PHY_LINK_EVENTS)?;
        self.write_phy(Phy::Control, registers::PHY_NEGOTIATE)?;
        self.learn_link();
        Some(())
    }

    fn enable(&self) -> Option<()> {
        self.bus
            .write(Register::FifoInt, registers::FIFO_THRESHOLDS);
        self.bus.write(Register::TxCfg, registers::TX_ON);
        self.write_mac(Mac::Control, registers::MAC_RUNS)?;
        self.bus
            .write(Register::IrqCfg, registers::IRQ_ACTIVE_HIGH_PUSH_PULL);
        Some(())
    }

    fn read_address(&self) -> Option<[u8; 6]> {
        let low = self.read_mac(Mac::AddressLow)?.to_le_bytes();
        let high = self.read_mac(Mac::AddressHigh)?.to_le_bytes();
        Some([low[0], low[1], low[2], low[3], high[0], high[1]])
    }

    /// The station address, which the controller has read from its EEPROM.
    pub(crate) fn mac_address(&self) -> [u8; 6] {
        self.mac_address
    }

    /// A counter of 25 MHz that has run since the controller was reset.
    pub(crate) fn free_running(&self) -> u32 {
        self.bus.read(Register::FreeRun)
    }

    /// Whether a cable is plugged in, by the last event.
    pub(crate) fn link_up(&self) -> bool {
        self.link_up
    }

    /// Takes note of what happened since the last call, and mends what can be mended.
    pub(crate) fn take_events(&mut self) {
        let events = self.bus.read(Register::IntSts) & registers::EVENTS;
        if events == 0 {
            return;
        }
        self.bus.write(Register::IntSts, events);
        if events & registers::PHY_EVENT != 0 {
            self.read_phy(Phy::InterruptSource); // Which clears it.
            self.learn_link();
        }
        if events & registers::RECEIVER_ERROR != 0 {
            self.empty_receiver();
        }
    }

    /// Lets the next event interrupt. A frame that came before does not: look for one afterwards.
    pub(crate) fn arm(&self) {
        self.bus.write(Register::IntEn, registers::EVENTS);
    }

    /// Whether there is a frame to [`receive`](Self::receive).
    pub(crate) fn frame_waits(&self) -> bool {
        self.bus.read(Register::RxFifoInf) & registers::STATUSES_USED != 0
    }

    /// Takes the frame at the head of the FIFO, of which there must be one.
    ///
    /// The status's length decides how many words are read, of good and bad frames alike, so that
    /// the next status meets its own data.
    pub(crate) fn receive(&mut self, frame: &mut Frame) -> Received {
        let status = self.bus.read(Register::RxStatus);
        let length = registers::frame_length(status);
        if length < FCS {
            // Not even a check sequence: the statuses have lost their data.
            self.empty_receiver();
            return Received::Refused;
        }
        self.read_words(length.div_ceil(4), frame);
        let length = length - FCS;
        if status & registers::RX_BAD != 0 || !(FRAME_MINIMUM..=FRAME_LIMIT).contains(&length) {
            return Received::Refused;
        }
        Received::Frame(length)
    }

    /// Reads `words` words of data; what `frame` has no room for is lost.
    fn read_words(&self, words: usize, frame: &mut Frame) {
        let (room, _) = frame.as_chunks_mut::<4>();
        let kept = words.min(room.len());
        for word in &mut room[..kept] {
            *word = self.bus.read(Register::RxData).to_le_bytes();
        }
        for _ in kept..words {
            self.bus.read(Register::RxData);
        }
    }

    /// Drops every frame that was received, and any disagreement between the FIFOs with them.
    fn empty_receiver(&self) {
        self.bus
            .write(Register::IntSts, registers::RECEIVER_STOPPED);
        self.write_mac(Mac::Control, registers::MAC_RUNS & !registers::MAC_RECEIVES);
        self.await_register(Register::IntSts, |value| {
            value & registers::RECEIVER_STOPPED != 0
        });
        self.bus.write(Register::RxCfg, registers::RX_DUMP);
        self.await_register(Register::RxCfg, |value| value & registers::RX_DUMP == 0);
        self.write_mac(Mac::Control, registers::MAC_RUNS);
    }

    /// Whether the transmit FIFO takes a frame of [`FRAME_LIMIT`] bytes.
    pub(crate) fn has_room(&self) -> bool {
        let free = self.bus.read(Register::TxFifoInf) & registers::TX_DATA_FREE;
        free as usize >= registers::TX_COMMANDS + size_of::<Frame>()
    }

    /// Sends the frame in the first `length` bytes of `frame`; an empty one is not sent.
    pub(crate) fn send(&mut self, frame: &Frame, length: usize) {
        self.drop_transmit_statuses();
        let Ok(length @ 1..) = u32::try_from(length.min(FRAME_LIMIT)) else {
            return;
        };
        self.bus
            .write(Register::TxData, registers::TX_WHOLE_FRAME | length);
        self.bus.write(Register::TxData, length << 16 | length);
        let (words, _) = frame.as_chunks::<4>();
        for word in words.iter().take(length.div_ceil(4) as usize) {
            self.bus.write(Register::TxData, u32::from_le_bytes(*word));
        }
    }

    /// Nobody asks what became of a frame: the layers above send again what was lost.
    fn drop_transmit_statuses(&self) {
        let used = self.bus.read(Register::TxFifoInf) & registers::STATUSES_USED;
        for _ in 0..used >> registers::STATUSES_SHIFT {
            self.bus.read(Register::TxStatus);
        }
    }

    /// A PHY that does not answer has no link.
    fn learn_link(&mut self) {
        let status = self.read_phy(Phy::Status).unwrap_or(0);
        self.link_up = status & registers::PHY_LINK_UP != 0;
    }

    fn read_phy(&self, register: Phy) -> Option<u32> {
        self.command_phy(register, 0)?;
        self.read_mac(Mac::MiiData)
    }

    fn write_phy(&self, register: Phy, value: u32) -> Option<()> {
        self.write_mac(Mac::MiiData, value)?;
        self.command_phy(register, registers::MII_WRITE)
    }

    /// Has the PHY do what `direction` says to `register`; `None` if it does not in time.
    fn command_phy(&self, register: Phy, direction: u32) -> Option<()> {
        let command = registers::mii_command(register) | direction;
        self.write_mac(Mac::MiiAccess, command)?;
        for _ in 0..BRIEF {
            if self.read_mac(Mac::MiiAccess)? & registers::MII_BUSY == 0 {
                return Some(());
            }
        }
        None
    }

    fn read_mac(&self, register: Mac) -> Option<u32> {
        self.command_mac(registers::MAC_READ | register as u32)?;
        Some(self.bus.read(Register::MacCsrData))
    }

    fn write_mac(&self, register: Mac, value: u32) -> Option<()> {
        self.bus.write(Register::MacCsrData, value);
        self.command_mac(register as u32)
    }

    /// Has the MAC carry out `command`; `None` if it does not in time.
    fn command_mac(&self, command: u32) -> Option<()> {
        self.bus
            .write(Register::MacCsrCmd, registers::MAC_BUSY | command);
        (0..BRIEF)
            .any(|_| self.bus.read(Register::MacCsrCmd) & registers::MAC_BUSY == 0)
            .then_some(())
    }

    /// Reads `register` until `done` likes its value; `false` when patience ends before.
    fn await_register(&self, register: Register, done: impl Fn(u32) -> bool) -> bool {
        (0..PATIENCE).any(|_| done(self.bus.read(register)))
    }
}
