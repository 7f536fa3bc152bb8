// Arm MPS2 with the FPGA image AN500: a Cortex-M7. The numbers are those of Application Note AN500.

/// The board's name, as QEMU spells it.
pub(crate) const NAME: &str = "mps2-an500";
/// The clock of the processor, of `SysTick` and of the peripherals, in hertz.
pub(crate) const CLOCK_HZ: u32 = 25_000_000;
/// How many interrupts the board has.
pub(crate) const INTERRUPTS: usize = 32;

/// Base address of the LAN9118 Ethernet controller.
pub(crate) const ETHERNET: usize = 0xA000_0000;
/// Base address of the first CMSDK UART.
pub(crate) const UART: usize = 0x4000_4000;
/// Base address of the CMSDK watchdog.
pub(crate) const WATCHDOG: usize = 0x4000_8000;

/// Where `entropy = "seed"` has its seed: the first bytes of the PSRAM, which nothing else uses.
#[cfg(online)]
pub(crate) const SEED: usize = 0x6000_0000;

/// The interrupt of the LAN9118.
pub(crate) const ETHERNET_INTERRUPT: u16 = 13;
/// The interrupt of the UART's transmitter.
pub(crate) const UART_INTERRUPT: u16 = 1;
/// Interrupts of GPIO pins that are not connected: software may raise them.
pub(crate) const SPARE_INTERRUPTS: [u16; 2] = [30, 31];
