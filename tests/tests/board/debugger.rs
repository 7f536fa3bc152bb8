//! A debugger of the emulated processor, as far as it takes to hang it: GDB's remote serial protocol.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use gatepost_tests::stream::PATIENCE;

/// Where registers lie among all of them, in bytes: behind sixteen of the processor come eight of twelve bytes and one
/// of four, which no processor has any more.
const PC: usize = 15 * 4;
const XPSR: usize = 16 * 4 + 8 * 12 + 4;

/// The bits of XPSR with the number of the exception that is being served: none in thread mode.
const EXCEPTION: u32 = 0x1ff;

/// `b .`, a branch to itself, and `wfi`, behind which a processor sleeps.
const BRANCH_TO_ITSELF: &str = "fee7";
const SLEEP: &str = "30bf";

/// A debugger; the processor stands still as long as it is connected.
struct Debugger(BufReader<TcpStream>);

/// Has the thread mode of the processor go round in circles once it is at work, and its interrupts go on.
pub(crate) fn hang_thread_mode(port: u16) -> io::Result<()> {
    loop {
        let mut debugger = Debugger::open(port)?;
        let registers = debugger.ask("g")?;
        let pc = register(&registers, PC)?;
        let is_in_thread_mode = register(&registers, XPSR)? & EXCEPTION == 0;
        let behind = debugger.ask(&format!("m{:x},2", pc.wrapping_sub(2)))?;
        let is_at_work = is_in_thread_mode && behind != SLEEP;
        if is_at_work {
            let wrote = debugger.ask(&format!("M{pc:x},2:{BRANCH_TO_ITSELF}"))?;
            if wrote != "OK" {
                return Err(io::Error::other(wrote));
            }
        }
        // It goes on.
        debugger.ask("D")?;
        if is_at_work {
            return Ok(());
        }
    }
}

impl Debugger {
    fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a packet, and reads the one that answers it.
    fn ask(&mut self, packet: &str) -> io::Result<String> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0.get_mut(), "${packet}#{sum:02x}")?;
        loop {
            // What is ahead acknowledges the packet.
            self.0.read_until(b'$', &mut Vec::new())?;
            let mut answer = Vec::new();
            self.0.read_until(b'#', &mut answer)?;
            self.0.read_exact(&mut [0; 2])?;
            self.0.get_mut().write_all(b"+")?;
            answer.pop();
            // Without being asked it tells that the processor has stopped.
            if !answer.starts_with(b"T") {
                return String::from_utf8(answer).map_err(io::Error::other);
            }
        }
    }
}

/// One of the registers, in hexadecimal digits: of four bytes, the lowest first.
fn register(registers: &str, at: usize) -> io::Result<u32> {
    let digits = registers.get(2 * at..2 * at + 8);
    let digits = digits.ok_or_else(|| io::Error::other(format!("registers: {registers}")))?;
    let value = u32::from_str_radix(digits, 16).map_err(io::Error::other)?;
    Ok(value.swap_bytes())
}
