//! A place for the servers of one run: namespaces of its own for mounts, processes and the network.
//!
//! Ports can be fixed because nobody else is on this loopback; processes and mounts end with the
//! first process of the namespace, whatever becomes of it. Only the roots' cached directories are
//! seen from inside, and everything that a server writes goes to memory.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use crate::process::{is_installed, run};
use crate::roots;

/// Set in the environment of the program that [`reenter`] starts.
const INSIDE: &str = "GATEPOST_TESTS_NAMESPACE";

/// Directories of a root that servers write to: they start empty in every run.
const WRITABLE: [&str; 9] = [
    "etc/postfix",
    "etc/exim4",
    "run",
    "tmp",
    "var/lib/postfix",
    "var/log",
    "var/mail",
    "var/spool/exim4",
    "var/spool/postfix",
];

/// What this machine lacks for [`reenter`], one reason a line; empty when it lacks nothing.
#[must_use]
pub fn lacking() -> Vec<String> {
    let mut reasons = Vec::new();
    if !roots::is_root() {
        reasons.push("not run as root".to_owned());
    }
    for program in ["setpriv", "unshare", "mount", "chroot"] {
        if !is_installed(program) {
            reasons.push(format!("no {program}"));
        }
    }
    if reasons.is_empty() && run(unshare(Network::Own).arg("true")).is_err() {
        reasons.push("no right to make namespaces".to_owned());
    }
    reasons
}

/// Whether this process was started by [`reenter`].
#[must_use]
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Whose network the inside has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Network {
    /// One that nobody else sees.
    Own,
    /// The machine's, so that its users reach what is inside.
    TheHosts,
}

/// Runs this program once more, with the same arguments, in namespaces of its own.
///
/// # Errors
/// When it cannot be started.
pub fn reenter(network: Network) -> io::Result<ExitStatus> {
    unshare(network)
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
}

fn unshare(network: Network) -> Command {
    // Ends with whoever started it, and with it all that is inside.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare"]);
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if network == Network::Own {
        command.arg("--net");
    }
    command
}

/// The inside of the namespaces, set up for servers.
#[derive(Debug)]
pub struct Namespace {
    directory: PathBuf,
}

impl Namespace {
    /// Mounts the roots of `recipes`, which lie in `source`, and brings the loopback interface up. The mail
    /// server's is one of them.
    ///
    /// # Errors
    /// When something cannot be mounted.
    ///
    /// # Panics
    /// Outside of the namespaces, where mounts would outlive the run.
    pub fn set_up(source: &Path, recipes: &[&roots::Recipe]) -> io::Result<Self> {
        assert!(is_inside(), "mounts belong into a namespace");
        let namespace = Self {
            directory: place_outside_of(source)?.to_owned(),
        };
        // Short, because a unix socket's path has room for 107 bytes.
        mount_memory(&namespace.directory)?;
        for recipe in recipes {
            mount_root(&source.join(recipe.name), &namespace.root(recipe))?;
        }
        let mail = namespace.root(&roots::MAIL);
        // The daemon runs outside of the roots, but names their accounts.
        for name in ["etc/passwd", "etc/group"] {
            bind(&mail.join(name), &Path::new("/").join(name))?;
        }
        run(in_root(&mail, "/usr/sbin/ip").args(["link", "set", "lo", "up"]))?;
        Ok(namespace)
    }

    /// Where the root of `recipe` is seen.
    #[must_use]
    pub fn root(&self, recipe: &roots::Recipe) -> PathBuf {
        self.directory.join(recipe.name)
    }

    /// Lets the root of `guest` see `/run` of the root of `host`, below a directory of `/run` that bears its name.
    ///
    /// # Errors
    /// When it cannot be mounted.
    pub fn share_run(&self, host: &roots::Recipe, guest: &roots::Recipe) -> io::Result<()> {
        let place = self.root(guest).join("run").join(host.name);
        fs::create_dir(&place)?;
        bind(&self.root(host).join("run"), &place)
    }

    /// Lets servers write to the directory `name` of the root of `recipe`: to a copy in memory.
    ///
    /// # Errors
    /// When it cannot be copied or mounted.
    pub fn let_write(&self, recipe: &roots::Recipe, name: &str) -> io::Result<()> {
        let place = self.root(recipe).join(name);
        let copy = self.directory(&format!("{}-{}", recipe.name, name.replace('/', "-")))?;
        run(Command::new("cp").arg("-a").arg(place.join(".")).arg(&copy))?;
        bind(&copy, &place)
    }

    /// A new directory in memory.
    ///
    /// # Errors
    /// When `name` was taken before.
    pub fn directory(&self, name: &str) -> io::Result<PathBuf> {
        let directory = self.directory.join(name);
        fs::create_dir(&directory)?;
        Ok(directory)
    }
}

/// A command that runs `program`, a path inside of `root`, in that root.
pub fn in_root(root: &Path, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("chroot");
    command
        .arg(root)
        .arg(program)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .env("HOME", "/tmp")
        .env("LC_ALL", "C");
    command
}

/// A directory of every Debian system that a mount may cover without covering `source`.
fn place_outside_of(source: &Path) -> io::Result<&'static Path> {
    let mut places = ["/mnt", "/srv", "/media"].map(Path::new).into_iter();
    places
        .find(|place| place.is_dir() && !source.starts_with(place))
        .ok_or_else(|| io::Error::other("no directory to mount on"))
}

fn mount_root(source: &Path, place: &Path) -> io::Result<()> {
    fs::create_dir(place)?;
    for name in WRITABLE {
        fs::create_dir_all(source.join(name))?;
    }
    bind(source, place)?;
    run(Command::new("mount")
        .args(["-o", "remount,bind,ro"])
        .arg(place))?;
    for name in WRITABLE {
        mount_memory(&place.join(name))?;
    }
    run(Command::new("mount")
        .args(["-t", "proc", "proc"])
        .arg(place.join("proc")))?;
    run(Command::new("mount")
        .args(["--rbind", "/dev"])
        .arg(place.join("dev")))?;
    Ok(())
}

fn mount_memory(place: &Path) -> io::Result<()> {
    let options = ["-t", "tmpfs", "-o", "mode=0755", "tmpfs"];
    run(Command::new("mount").args(options).arg(place)).map(drop)
}

fn bind(source: &Path, place: &Path) -> io::Result<()> {
    run(Command::new("mount").arg("--bind").arg(source).arg(place)).map(drop)
}
