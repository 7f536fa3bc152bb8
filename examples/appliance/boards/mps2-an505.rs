// Arm MPS2+ with the FPGA image AN505: a Cortex-M33 with TrustZone. The numbers are those of Application Note AN505, in
// the secure half of the address space: there the processor starts, and there the image stays, which makes nothing
// non-secure. So the controllers that protect memory and peripherals stay as a reset leaves them: all is secure.

/// The board's name, as QEMU spells it.
pub(crate) const NAME: &str = "mps2-an505";
/// The clock of the processor, of `SysTick` and of the peripherals, in hertz.
pub(crate) const CLOCK_HZ: u32 = 20_000_000;
/// How many interrupts the board has: 32 of the subsystem and 92 around it.
pub(crate) const INTERRUPTS: usize = 124;

/// Base address of the LAN9220 Ethernet controller, which is a LAN9118 to its driver.
pub(crate) const ETHERNET: usize = 0x5200_0000;
/// Base address of the first CMSDK UART.
pub(crate) const UART: usize = 0x5020_0000;
/// Base address of the secure CMSDK watchdog.
pub(crate) const WATCHDOG: usize = 0x5008_1000;

/// Where `entropy = "seed"` has its seed: the first bytes of the PSRAM, which nothing else uses.
#[cfg(online)]
pub(crate) const SEED: usize = 0x8000_0000;

/// The interrupt of the LAN9220.
pub(crate) const ETHERNET_INTERRUPT: u16 = 48;
/// The interrupt of the UART's transmitter.
pub(crate) const UART_INTERRUPT: u16 = 33;
/// Interrupts of GPIO pins that are not connected: software may raise them.
pub(crate) const SPARE_INTERRUPTS: [u16; 2] = [122, 123];
