//! The firmware of the appliance on a board of QEMU's, and what it needs around it.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::auth_client::AuthClient;
use crate::daemon::wait_until;
use crate::stream::Address;
use crate::{emulators, roots};

/// Where the tests' configurations let the device listen.
const DEVICE_PORT: u16 = 12345;

/// From 1900, where NTP begins to count, to 1970, in seconds (RFC 5905 section 6).
const NTP_EPOCH: u64 = 2_208_988_800;

/// Where `entropy = "seed"` has its seed on `board`: at the start of its PSRAM.
fn seed_address(board: &str) -> u32 {
    match board {
        "mps2-an500" => 0x6000_0000,
        _ => 0x2100_0000,
    }
}

/// The image that `cargo xtask test` has built of the configuration `name`.
///
/// # Errors
/// When it is not there.
pub fn image(name: &str) -> io::Result<PathBuf> {
    let image = roots::profile_directory()?
        .with_file_name("appliance")
        .join(name);
    if image.is_file() {
        return Ok(image);
    }
    Err(io::Error::other(format!(
        "no image {name:?}: cargo xtask test builds it"
    )))
}

/// What this machine lacks to boot it, one reason a line.
#[must_use]
pub fn lacking(images: &[&str]) -> Vec<String> {
    let mut reasons = emulators::lacking("qemu-system-arm");
    let missing = images.iter().filter_map(|name| image(name).err());
    reasons.extend(missing.map(|error| error.to_string()));
    reasons
}

/// The words of QEMU for a network in which the device reaches its host, and is reached at `port` of it.
#[must_use]
pub fn host_network(port: u16, device_port: u16) -> String {
    format!("user,hostfwd=tcp:127.0.0.1:{port}-:{device_port}")
}

/// A command that boots `image` on `board`, still without network and UART.
///
/// # Errors
/// When there is no emulator.
pub fn emulator(image: &Path, board: &str) -> io::Result<Command> {
    let mut command = emulators::board()?;
    command
        .args(["-M", board, "-nographic", "-monitor", "none"])
        .arg("-kernel")
        .arg(image)
        .stdin(Stdio::null());
    Ok(command)
}

/// A running device, ended when it goes out of scope.
#[derive(Debug)]
pub struct Appliance {
    /// Where its port is reached.
    pub address: Address,
    child: Child,
    log: PathBuf,
}

impl Appliance {
    /// Boots `image` on `board`, reached at `port`; its UART is written to a log in `directory`.
    ///
    /// # Errors
    /// When it does not answer: tells what it logged.
    pub fn start(image: &Path, board: &str, port: u16, directory: &Path) -> io::Result<Self> {
        let network = nic(port);
        Self::boot(image, board, port, directory, &["-nic", &network])
    }

    /// As [`Self::start`], with a new seed where `entropy = "seed"` has it.
    ///
    /// # Errors
    /// When it does not answer: tells what it logged.
    pub fn start_with_entropy(
        image: &Path,
        board: &str,
        port: u16,
        directory: &Path,
    ) -> io::Result<Self> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no entropy"))?;
        let path = directory.join("seed");
        fs::write(&path, seed)?;
        let (path, address) = (path.display(), seed_address(board));
        let seed = format!("loader,file={path},addr={address:#x},force-raw=on");
        let devices = ["-nic", &nic(port), "-device", &seed];
        Self::boot(image, board, port, directory, &devices)
    }

    /// As [`Self::start`], on a hub with whoever sends frames from the first of the UDP ports `wire` to the
    /// second.
    ///
    /// # Errors
    /// When it does not answer: tells what it logged.
    pub fn start_on_a_hub(
        image: &Path,
        board: &str,
        port: u16,
        directory: &Path,
        wire: [u16; 2],
    ) -> io::Result<Self> {
        let host = format!("{},id=host", host_network(port, DEVICE_PORT));
        let [from, to] = wire;
        let wire = format!("socket,id=wire,udp=127.0.0.1:{from},localaddr=127.0.0.1:{to}");
        let network = [
            ["-netdev", &host],
            ["-netdev", "hubport,id=to-host,hubid=0,netdev=host"],
            ["-netdev", &wire],
            ["-netdev", "hubport,id=to-wire,hubid=0,netdev=wire"],
            ["-nic", "hubport,hubid=0,model=lan9118"],
        ];
        Self::boot(image, board, port, directory, network.as_flattened())
    }

    fn boot(
        image: &Path,
        board: &str,
        port: u16,
        directory: &Path,
        devices: &[&str],
    ) -> io::Result<Self> {
        let log = directory.join(format!("{board}-{port}.log"));
        let child = emulator(image, board)?
            .args(devices)
            .arg("-serial")
            .arg(format!("file:{}", log.display()))
            .stdout(Stdio::null())
            .spawn()?;
        let address = Address::port(port);
        let appliance = Self {
            address,
            child,
            log,
        };
        // QEMU takes connections before the device listens: only an answer tells.
        let answers = || AuthClient::open(&appliance.address).is_ok();
        wait_until("the device's greeting", answers)
            .and_then(|()| appliance.wait_for("clock set"))
            .map_err(|error| io::Error::other(format!("{error}\n{}", appliance.logged())))?;
        Ok(appliance)
    }

    /// Waits until it has logged `words`.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_for(&self, words: &str) -> io::Result<()> {
        wait_until(words, || self.logged().contains(words))
    }

    /// The bytes of its static memory, and the most that its stack has taken: it logs them whenever they grow.
    ///
    /// # Errors
    /// When it has logged no such thing.
    pub fn memory(&self) -> io::Result<(u32, u32)> {
        let logged = self.logged();
        let line = logged
            .lines()
            .rfind(|line| line.contains("memory statics="));
        let field = |name: &str| -> Option<u32> {
            let (_, rest) = line?.split_once(name)?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let fields = field("statics=").zip(field("stack="));
        fields.ok_or_else(|| io::Error::other("it logged nothing of its memory"))
    }

    /// What it has logged so far.
    #[must_use]
    pub fn logged(&self) -> String {
        let logged = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&logged).into_owned()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

/// The device's own controller, in such a network alone.
fn nic(port: u16) -> String {
    format!("{},model=lan9118", host_network(port, DEVICE_PORT))
}

/// Tells whoever asks on a port of loopback what time it is (RFC 4330), for as long as the program runs.
///
/// # Errors
/// Those of the system.
pub fn serve_time(port: u16) -> io::Result<()> {
    let socket = UdpSocket::bind(("127.0.0.1", port))?;
    thread::spawn(move || {
        let mut asked = [0; 128];
        while let Ok((length, from)) = socket.recv_from(&mut asked) {
            if length >= 48 {
                // Whoever asked may be gone.
                let _ = socket.send_to(&time_answer(&asked), from);
            }
        }
    });
    Ok(())
}

fn time_answer(asked: &[u8]) -> [u8; 48] {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    let now = ((since.as_secs() + NTP_EPOCH) << 32 | fraction).to_be_bytes();
    let mut answer = [0; 48];
    // No leap second, version 4, a server; stratum 2; the precision of a microsecond.
    answer[..4].copy_from_slice(&[0x24, 2, 0, 0xec]);
    for place in [16, 32, 40] {
        answer[place..place + 8].copy_from_slice(&now);
    }
    answer[24..32].copy_from_slice(&asked[40..48]);
    answer
}
