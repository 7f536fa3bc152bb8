//! The firmware of the appliance on a board of QEMU's, and what it needs around it.

use std::fs;
use std::io;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
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
        "mps2-an505" => 0x8000_0000,
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

/// How a device is booted.
#[derive(Clone, Copy, Debug)]
pub struct Boot<'b> {
    /// The name of its image.
    pub image: &'b str,
    /// The board.
    pub board: &'b str,
    /// Where on loopback its port is reached.
    pub port: u16,
    /// Where its log and seed are written.
    pub directory: &'b Path,
    /// Whether there is a new seed where `entropy = "seed"` has it.
    pub has_seed: bool,
    /// Whether anybody tells it the time, so that it is not up before that.
    pub has_time: bool,
    /// Puts it on a hub with whoever sends frames from the first of these UDP ports to the second.
    pub wire: Option<[u16; 2]>,
    /// How its time goes, in QEMU's words for `-icount`; as that of its host where nothing is said.
    pub icount: Option<&'b str>,
    /// Where on loopback a debugger is let in.
    pub debugger: Option<u16>,
}

impl<'b> Boot<'b> {
    /// With nothing beside its network, and somebody who tells the time.
    #[must_use]
    pub fn new(image: &'b str, board: &'b str, port: u16, directory: &'b Path) -> Self {
        Self {
            image,
            board,
            port,
            directory,
            has_seed: false,
            has_time: true,
            wire: None,
            icount: None,
            debugger: None,
        }
    }

    /// QEMU's words for all that.
    fn words(&self) -> io::Result<Vec<String>> {
        let mut words = Vec::new();
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        let host = host_network(self.port, DEVICE_PORT);
        if let Some([from, to]) = self.wire {
            let wire = format!("socket,id=wire,udp=127.0.0.1:{from},localaddr=127.0.0.1:{to}");
            add("-netdev", format!("{host},id=host"));
            add("-netdev", wire);
            for end in ["host", "wire"] {
                add(
                    "-netdev",
                    format!("hubport,id=to-{end},hubid=0,netdev={end}"),
                );
            }
            add("-nic", "hubport,hubid=0,model=lan9118".to_owned());
        } else {
            add("-nic", format!("{host},model=lan9118"));
        }
        if self.has_seed {
            let mut seed = [0; 32];
            aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no entropy"))?;
            let path = self.directory.join("seed");
            fs::write(&path, seed)?;
            let (path, address) = (path.display(), seed_address(self.board));
            add(
                "-device",
                format!("loader,file={path},addr={address:#x},force-raw=on"),
            );
        }
        if let Some(icount) = self.icount {
            add("-icount", icount.to_owned());
        }
        if let Some(port) = self.debugger {
            add("-gdb", format!("tcp:127.0.0.1:{port}"));
        }
        Ok(words)
    }
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
    /// Boots a device; its UART is written to a log.
    ///
    /// # Errors
    /// When it does not answer: tells what it logged.
    pub fn start(boot: &Boot<'_>) -> io::Result<Self> {
        let log = format!("{}-{}.log", boot.board, boot.port);
        let log = boot.directory.join(log);
        let child = emulator(&image(boot.image)?, boot.board)?
            .args(boot.words()?)
            .arg("-serial")
            .arg(format!("file:{}", log.display()))
            .stdout(Stdio::null())
            .spawn()?;
        let address = Address::port(boot.port);
        let appliance = Self {
            address,
            child,
            log,
        };
        let up = if boot.has_time {
            // QEMU keeps connections from before the device has its network, and makes them once it has: they would take
            // the places of others.
            let set = appliance.wait_for("clock set");
            set.and_then(|()| appliance.client().map(drop))
        } else {
            appliance.wait_for("started")
        };
        up.map_err(|error| io::Error::other(format!("{error}\n{}", appliance.logged())))?;
        Ok(appliance)
    }

    /// A connection: there is no backlog, so that one is refused until the device has noticed that another ended.
    ///
    /// # Errors
    /// When none is taken.
    pub fn client(&self) -> io::Result<AuthClient> {
        let mut client = None;
        wait_until("a connection", || {
            client = AuthClient::open(&self.address).ok();
            client.is_some()
        })?;
        client.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// How often it has started, itself or by its watchdog.
    #[must_use]
    pub fn starts(&self) -> usize {
        self.logged().matches("started board=").count()
    }

    /// Waits until it has logged `words`.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_for(&self, words: &str) -> io::Result<()> {
        wait_until(words, || self.logged().contains(words))
    }

    /// Waits until it has logged `words` so many times.
    ///
    /// # Errors
    /// When it does not.
    pub fn wait_for_again(&self, words: &str, times: usize) -> io::Result<()> {
        wait_until(words, || self.logged().matches(words).count() >= times)
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

/// Who tells what time it is on a port of loopback (RFC 4330), for as long as the program runs.
#[derive(Clone, Debug, Default)]
pub struct TimeServer(Arc<Mutex<Said>>);

/// What a time server says.
#[derive(Clone, Copy, Debug, Default)]
enum Said {
    #[default]
    Nothing,
    /// The time that it will be in so many seconds.
    Ahead(u64),
    /// The same, and the next time so many seconds later, whatever time has passed.
    Steps { ahead: u64, step: u64 },
}

impl TimeServer {
    /// One that says nothing yet.
    ///
    /// # Errors
    /// Those of the system.
    pub fn silent(port: u16) -> io::Result<Self> {
        let socket = UdpSocket::bind(("127.0.0.1", port))?;
        let server = Self::default();
        let said = Arc::clone(&server.0);
        thread::spawn(move || {
            let mut asked = [0; 128];
            while let Ok((length, from)) = socket.recv_from(&mut asked) {
                if length < 48 {
                    continue;
                }
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                let ahead = match &mut *said {
                    Said::Nothing => continue,
                    Said::Ahead(ahead) => *ahead,
                    Said::Steps { ahead, step } => {
                        *ahead += *step;
                        *ahead - *step
                    }
                };
                // Whoever asked may be gone.
                let _ = socket.send_to(&time_answer(&asked, ahead), from);
            }
        });
        Ok(server)
    }

    /// From now on it tells the time that it will be in so many seconds.
    pub fn tell(&self, ahead: u64) {
        self.say(Said::Ahead(ahead));
    }

    /// From now on it tells the time, and the next time what it will be `step` seconds later: to a device whose time
    /// passes otherwise than ours, and which asks as often.
    pub fn tell_in_steps(&self, step: u64) {
        self.say(Said::Steps { ahead: 0, step });
    }

    fn say(&self, said: Said) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }
}

/// Tells whoever asks on a port of loopback what time it is, for as long as the program runs.
///
/// # Errors
/// Those of the system.
pub fn serve_time(port: u16) -> io::Result<()> {
    let server = TimeServer::silent(port)?;
    server.tell(0);
    Ok(())
}

fn time_answer(asked: &[u8], ahead: u64) -> [u8; 48] {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    let now = ((since.as_secs() + ahead + NTP_EPOCH) << 32 | fraction).to_be_bytes();
    let mut answer = [0; 48];
    // No leap second, version 4, a server; stratum 2; the precision of a microsecond.
    answer[..4].copy_from_slice(&[0x24, 2, 0, 0xec]);
    for place in [16, 32, 40] {
        answer[place..place + 8].copy_from_slice(&now);
    }
    answer[24..32].copy_from_slice(&asked[40..48]);
    answer
}
