//! Root directories with Debian's packages, for the servers and clients of the end-to-end tests.
//!
//! Everything lives below one directory; the system's own packages are neither asked nor changed.
//! apt runs with a state and a cache of its own and an empty list of installed packages, so that
//! each root gets its whole closure. No maintainer script runs: what a package would have set up,
//! the tests set up where they need it. Mirrors and proxies are those of the host's apt.

mod apt;
mod recipes;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use crate::process::{is_installed, run};

pub use recipes::{
    CANAILLE, DJANGO, DOVECOT_2_3, DOVECOT_2_4, EMULATORS, EXIM, MAIL, PROVISIONED, RECIPES,
    Recipe, SCIM, SERVERS, WEBMAIL,
};

use apt::Apt;
use recipes::Release;

/// Where a root keeps its [`Recipe`]'s Python packages.
pub const PYTHON_PACKAGES: &str = "/opt/python";

/// Holds the recipe that a root was made by; written last, so that it vouches for the whole root.
const STAMP: &str = ".made-by";

/// The accounts that the packages' maintainer scripts would have made, in every root.
const ACCOUNTS: [(&str, &str); 2] = [
    (
        "etc/passwd",
        "root:x:0:0:root:/root:/bin/sh\n\
         mail:x:8:8:mail:/var/mail:/usr/sbin/nologin\n\
         postfix:x:101:101::/var/spool/postfix:/usr/sbin/nologin\n\
         Debian-exim:x:103:103::/var/spool/exim4:/usr/sbin/nologin\n\
         dovecot:x:104:104::/usr/lib/dovecot:/usr/sbin/nologin\n\
         dovenull:x:105:105::/nonexistent:/usr/sbin/nologin\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    ),
    (
        "etc/group",
        "root:x:0:\nmail:x:8:\npostfix:x:101:\npostdrop:x:102:\nDebian-exim:x:103:\ndovecot:x:104:\ndovenull:x:105:\nnogroup:x:65534:\n",
    ),
];

/// Directories that a program may expect although no package ships them.
const DIRECTORIES: [&str; 7] = [
    "dev",
    "proc",
    "run",
    "tmp",
    "etc/postfix",
    "etc/exim4",
    "var/spool",
];

/// The top-level directories that Debian keeps below `/usr`.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// The directory of all roots, such as `target/roots`.
///
/// # Errors
/// As [`profile_directory`].
pub fn directory() -> io::Result<PathBuf> {
    Ok(profile_directory()?.with_file_name("roots"))
}

/// The directory of the profile that the running program was built with, such as `target/debug`.
///
/// # Errors
/// When the program was moved out of it.
pub fn profile_directory() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let mut above = program.ancestors();
    above
        .find(|directory| directory.join("deps").is_dir())
        .map(Path::to_owned)
        .ok_or_else(|| io::Error::other("this program does not lie in Cargo's target directory"))
}

/// What this machine lacks for [`prepare`], one reason a line; empty when it lacks nothing.
#[must_use]
pub fn lacking() -> Vec<String> {
    let mut reasons = Vec::new();
    if !is_root() {
        reasons.push("not run as root".to_owned());
    }
    for program in ["apt-get", "apt-config", "dpkg-deb", "tar", "chroot"] {
        if !is_installed(program) {
            reasons.push(format!("no {program}"));
        }
    }
    reasons
}

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Those of `recipes` whose root below `roots` is not there, not whole, or made by another recipe.
#[must_use]
pub fn missing(roots: &Path, recipes: &[&'static Recipe]) -> Vec<&'static Recipe> {
    let is_missing = |recipe: &&Recipe| !recipe.is_ready(roots);
    recipes.iter().copied().filter(is_missing).collect()
}

/// Makes the roots of `recipes` below `roots` that are [`missing`], and returns their names.
///
/// A preparation that was interrupted is begun again; two at the same time wait for one another.
///
/// # Errors
/// When a package cannot be fetched or unpacked; what was there before stays as it was.
///
/// # Panics
/// When a thread that unpacks does.
pub fn prepare(roots: &Path, recipes: &[&'static Recipe]) -> io::Result<Vec<&'static str>> {
    fs::create_dir_all(roots)?;
    let lock = File::create(roots.join("lock"))?;
    lock.lock()?;
    let missing = missing(roots, recipes);
    if !missing.is_empty() {
        let directory = roots.join("apt");
        remove(&directory)?;
        let host = Apt::open(&directory.join("host"))?;
        for release in Release::ALL {
            let of_release = |recipe: &&&Recipe| recipe.release == release;
            let recipes: Vec<_> = missing.iter().filter(of_release).copied().collect();
            if recipes.is_empty() {
                continue;
            }
            if host.is_of(release)? {
                prepare_release(&host, &recipes, roots)?;
            } else {
                let apt = host.of_release(&directory.join(release.name()), release)?;
                prepare_release(&apt, &recipes, roots)?;
            }
        }
        remove(&directory)?;
    }
    Ok(missing.iter().map(|recipe| recipe.name).collect())
}

fn prepare_release(apt: &Apt, recipes: &[&Recipe], roots: &Path) -> io::Result<()> {
    thread::scope(|scope| {
        let mut makers = Vec::new();
        for recipe in recipes {
            // apt locks its state, so only the unpacking is done at the same time.
            let packages = apt.fetch(recipe)?;
            makers.push(scope.spawn(move || make(recipe, &packages, roots)));
        }
        makers
            .into_iter()
            .try_for_each(|maker| maker.join().expect("a maker returns its errors"))
    })
}

impl Recipe {
    /// Whether its root below `roots` is there, whole, and made by this very recipe.
    #[must_use]
    pub fn is_ready(&self, roots: &Path) -> bool {
        let stamp = fs::read_to_string(roots.join(self.name).join(STAMP));
        stamp.is_ok_and(|stamp| stamp == self.stamp())
    }

    fn stamp(&self) -> String {
        format!("{self:?}\n{ACCOUNTS:?}\n{DIRECTORIES:?}\n")
    }
}

/// Builds one root aside and moves it into its place when it is whole.
fn make(recipe: &Recipe, packages: &[PathBuf], roots: &Path) -> io::Result<()> {
    let partial = roots.join(format!("{}.partial", recipe.name));
    remove(&partial)?;
    for name in MERGED {
        fs::create_dir_all(partial.join("usr").join(name))?;
        symlink(Path::new("usr").join(name), partial.join(name))?;
    }
    for package in packages {
        unpack(package, &partial)?;
    }
    for name in DIRECTORIES {
        fs::create_dir_all(partial.join(name))?;
    }
    fs::set_permissions(partial.join("tmp"), fs::Permissions::from_mode(0o1777))?;
    for (path, content) in ACCOUNTS {
        fs::write(partial.join(path), content)?;
    }
    if !recipe.python.is_empty() {
        install_python_packages(recipe.python, &partial)?;
    }
    fs::write(partial.join(STAMP), recipe.stamp())?;
    let place = roots.join(recipe.name);
    remove(&place)?;
    fs::rename(&partial, &place)
}

/// Unpacks without running scripts, through the links that merge `/bin` into `/usr/bin`.
fn unpack(package: &Path, root: &Path) -> io::Result<()> {
    let mut archive = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()?;
    let members = archive.stdout.take().expect("a pipe was asked for");
    run(Command::new("tar")
        .args(["--extract", "--keep-directory-symlink", "--directory"])
        .arg(root)
        .stdin(members))?;
    if archive.wait()?.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} is damaged",
        package.display()
    )))
}

/// Runs the root's own pip in the root, with the host's resolver, certificates and settings.
fn install_python_packages(packages: &[&str], root: &Path) -> io::Result<()> {
    let home = std::env::var("HOME").unwrap_or_default();
    let mut borrowed = ["/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf"]
        .map(PathBuf::from)
        .to_vec();
    borrowed.push("/etc/ssl/certs/ca-certificates.crt".into());
    borrowed.push(Path::new(&home).join(".config/pip/pip.conf"));
    borrowed.extend(std::env::var_os("PIP_CERT").map(PathBuf::from));
    for path in borrowed.iter().filter(|path| path.is_file()) {
        let copy = below(root, path);
        fs::create_dir_all(copy.parent().unwrap_or(root))?;
        fs::write(copy, fs::read(path)?)?;
    }
    run(Command::new("chroot")
        .arg(root)
        .args(["/usr/bin/python3", "-m", "pip", "install", "--no-deps"])
        .args(["--no-cache-dir", "--only-binary", ":all:", "--target"])
        .arg(PYTHON_PACKAGES)
        .args(packages)
        .env("PATH", "/usr/bin:/usr/sbin"))?;
    Ok(())
}

/// `path`, which is absolute, seen from outside of `root`.
#[must_use]
pub fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Removes a directory that need not be there.
fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
