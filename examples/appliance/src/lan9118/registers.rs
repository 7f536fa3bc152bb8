//! The controller's registers and their bits, by the names of the data sheet.

/// How the controller is reached. Reading a FIFO's port takes a word out of it.
pub(crate) trait Bus {
    /// Reads `register`.
    fn read(&self, register: Register) -> u32;
    /// Writes `value` to `register`.
    fn write(&self, register: Register, value: u32);
}

/// Offsets of the directly addressed registers. `RX_STATUS_PEEK` (0x44) is missing on purpose:
/// QEMU's model answers it with another FIFO's entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(crate) enum Register {
    RxData = 0x00,
    TxData = 0x20,
    RxStatus = 0x40,
    TxStatus = 0x48,
    IrqCfg = 0x54,
    IntSts = 0x58,
    IntEn = 0x5c,
    ByteTest = 0x64,
    FifoInt = 0x68,
    RxCfg = 0x6c,
    TxCfg = 0x70,
    HwCfg = 0x74,
    RxFifoInf = 0x7c,
    TxFifoInf = 0x80,
    PmtCtrl = 0x84,
    FreeRun = 0x9c,
    MacCsrCmd = 0xa4,
    MacCsrData = 0xa8,
}

/// Indices of the MAC's registers, reached through `MAC_CSR_CMD` and `MAC_CSR_DATA`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(crate) enum Mac {
    Control = 1,
    AddressHigh = 2,
    AddressLow = 3,
    MiiAccess = 6,
    MiiData = 7,
}

/// Indices of the internal PHY's registers, reached through the MAC's `MII_ACC` and `MII_DATA`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub(crate) enum Phy {
    Control = 0,
    Status = 1,
    Advertisement = 4,
    InterruptSource = 29,
    InterruptMask = 30,
}

/// What `BYTE_TEST` reads as when bytes arrive in their order.
pub(super) const BYTE_ORDER: u32 = 0x8765_4321;
/// `PMT_CTRL`: the device is awake.
pub(super) const PMT_READY: u32 = 1;
/// `HW_CFG`: reset.
pub(super) const SOFT_RESET: u32 = 1;
/// `HW_CFG`: 5 KB for the transmit FIFO, frames leave only when they are whole.
pub(super) const STORE_AND_FORWARD: u32 = 0x0015_0000;
/// `IRQ_CFG`: enabled, active high, driven both ways. QEMU's model inverts the line otherwise.
pub(super) const IRQ_ACTIVE_HIGH_PUSH_PULL: u32 = 0x111;
/// `FIFO_INT`: interrupt for the first status that is received.
pub(super) const FIFO_THRESHOLDS: u32 = 0x4800_0000;
/// `TX_CFG`: transmit, even when nobody reads the statuses.
pub(super) const TX_ON: u32 = 0b110;
/// `RX_CFG`: empty both receive FIFOs.
pub(super) const RX_DUMP: u32 = 1 << 15;

/// `INT_STS`: the receiver has stopped.
pub(super) const RECEIVER_STOPPED: u32 = 1 << 24;
/// `INT_STS`: the PHY has something to say.
pub(super) const PHY_EVENT: u32 = 1 << 18;
/// `INT_STS`: a receive FIFO was read while empty, or frames lost their place (RXE).
pub(super) const RECEIVER_ERROR: u32 = 1 << 14;
/// `INT_STS`: a frame has arrived (RSFL).
pub(super) const FRAME_ARRIVED: u32 = 1 << 3;
/// What interrupts.
pub(super) const EVENTS: u32 = PHY_EVENT | RECEIVER_ERROR | FRAME_ARRIVED;

/// `RX_FIFO_INF` and `TX_FIFO_INF`: how many statuses wait.
pub(super) const STATUSES_USED: u32 = 0xff << STATUSES_SHIFT;
/// Where [`STATUSES_USED`] begins.
pub(super) const STATUSES_SHIFT: u32 = 16;
/// `TX_FIFO_INF`: free bytes of the data FIFO.
pub(super) const TX_DATA_FREE: u32 = 0xffff;

/// The status of a received frame: it failed the address filter, or has an error of any kind.
pub(super) const RX_BAD: u32 = 1 << 30 | 1 << 15;
/// The two command words before a frame's data, in bytes.
pub(super) const TX_COMMANDS: usize = 8;
/// Command A: first and last segment of its frame.
pub(super) const TX_WHOLE_FRAME: u32 = 1 << 13 | 1 << 12;

/// `MAC_CSR_CMD`: a command is under way.
pub(super) const MAC_BUSY: u32 = 1 << 31;
/// `MAC_CSR_CMD`: read.
pub(super) const MAC_READ: u32 = 1 << 30;
/// `MAC_CR`: the receiver runs.
pub(super) const MAC_RECEIVES: u32 = 1 << 2;
/// `MAC_CR`: full duplex, transmitter and receiver run; frames for other stations are filtered out.
pub(super) const MAC_RUNS: u32 = 1 << 20 | 1 << 3 | MAC_RECEIVES;

/// `MII_ACC`: a command is under way.
pub(super) const MII_BUSY: u32 = 1;
/// `MII_ACC`: write.
pub(super) const MII_WRITE: u32 = 1 << 1;
/// The internal PHY's address on the MII.
const PHY_ADDRESS: u32 = 1;

/// PHY control: reset.
pub(super) const PHY_RESET: u32 = 1 << 15;
/// PHY control: negotiate, from the start.
pub(super) const PHY_NEGOTIATE: u32 = 1 << 12 | 1 << 9;
/// PHY status: the link is up.
pub(super) const PHY_LINK_UP: u32 = 1 << 2;
/// PHY advertisement: 10 and 100 Mbit/s, half and full duplex, IEEE 802.3.
pub(super) const PHY_ADVERTISE_ALL: u32 = 0x01e1;
/// PHY interrupts: negotiation is complete, the link is down.
pub(super) const PHY_LINK_EVENTS: u32 = 1 << 6 | 1 << 4;

/// A frame's length with its check sequence, from its status: 14 bits.
pub(super) fn frame_length(status: u32) -> usize {
    (status >> 16 & 0x3fff) as usize
}

/// The command for `MII_ACC` that reads `register` of the internal PHY.
pub(super) fn mii_command(register: Phy) -> u32 {
    PHY_ADDRESS << 11 | (register as u32) << 6 | MII_BUSY
}
