//! A unix socket that replaces another one in one step, and removes itself only.

use std::fmt;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::path::PathBuf;

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, renameat};
use nix::sys::stat::{self, FchmodatFlags, FileStat, fchmodat, fstatat};
use nix::unistd::{Gid, Group, Uid, UnlinkatFlags, User, fchownat, unlinkat};
use tokio::net::UnixListener;

use super::{BindError, Bound, Socket, holder};
use crate::config::{Listener, Mode};

/// The path of a socket of ours. Dropped, it is removed, unless another daemon has replaced it.
pub(crate) struct Path {
    path: PathBuf,
    identity: Identity,
}

/// Device, inode, and when it was made: an inode's number is given to another file once it is free.
#[derive(Clone, Copy, Eq, PartialEq)]
struct Identity(u64, u64, (i64, i64));

impl From<&Metadata> for Identity {
    fn from(found: &Metadata) -> Self {
        Self(
            found.dev(),
            found.ino(),
            (found.mtime(), found.mtime_nsec()),
        )
    }
}

impl From<FileStat> for Identity {
    fn from(found: FileStat) -> Self {
        let made = (found.st_mtime, found.st_mtime_nsec);
        Self(found.st_dev, found.st_ino, made)
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| Identity::from(&found) == self.identity);
        // Without the rights of root it may have to stay: the next start replaces it.
        if is_ours
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::PermissionDenied
        {
            tracing::warn!(path = %self, error = error.to_string(), "socket not removed");
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// A socket with all of its rights, beside the path that it is to have.
pub(super) struct Staged {
    socket: UnixListener,
    staging: Staging,
    identity: Identity,
}

/// Listens at `path`. What mail servers see is the old socket or the new one with all of its rights.
pub(super) fn bind(listener: &Listener, path: &std::path::Path) -> Result<Bound, BindError> {
    let staged = stage(listener, path)?;
    let moved = staged.staging.move_to(path);
    moved.map_err(failed(listener))?;
    let path = Path {
        path: path.into(),
        identity: staged.identity,
    };
    Ok(Bound::new(listener, Socket::Unix(staged.socket, path)))
}

fn failed(listener: &Listener) -> impl Fn(io::Error) -> BindError {
    BindError::io(
        listener,
        "its directory must exist, be writable for gatepost, and leave the path short (about 80 bytes); \
         owner and group may need root",
    )
}

/// Makes the socket, which nobody can find yet.
pub(super) fn stage(listener: &Listener, path: &std::path::Path) -> Result<Staged, BindError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket(listener.address.clone()));
        }
        // What nobody listens at is left behind by a daemon that was killed.
        Ok(_) if !listener.take_over => {
            if let Some(holder) = holder::of_unix(path) {
                return Err(BindError::held(listener, holder));
            }
        }
        _ => {}
    }
    let (owner, group) = (owner(listener)?, group(listener)?);
    let failed = failed(listener);
    let staging = Staging::new(path).map_err(&failed)?;
    let socket = UnixListener::bind(staging.socket()).map_err(&failed)?;
    let mode = listener.mode.unwrap_or(Mode::DEFAULT);
    let identity = staging.hand_over(owner, group, mode).map_err(&failed)?;
    Ok(Staged {
        socket,
        staging,
        identity,
    })
}

/// A directory for nobody but us beside the socket: nobody connects before all rights are set.
///
/// The directory around it may belong to a mail server's user, who can put another one in its place. So it is
/// opened once, and what happens in it goes by what was opened.
struct Staging {
    directory: PathBuf,
    opened: File,
}

/// The socket's name in it.
const SOCKET: &str = "s";

/// Its mode.
const MODE: u32 = 0o700;

/// Opens a directory that is nobody's but ours.
fn open_own(directory: &std::path::Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let mut options = File::options();
    let opened = options.read(true).custom_flags(flags.bits());
    let opened = opened.open(directory)?;
    let found = opened.metadata()?;
    if found.uid() != Uid::effective().as_raw() || found.mode() & 0o777 != MODE {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(opened)
}

impl Staging {
    fn new(path: &std::path::Path) -> io::Result<Self> {
        let name = format!(".gp{}", std::process::id());
        let directory = path.with_file_name(name);
        // Left behind by a daemon that was killed right here, and had our process id.
        if let Ok(left) = open_own(&directory) {
            let _ = unlinkat(&left, SOCKET, UnlinkatFlags::NoRemoveDir);
            let _ = fs::remove_dir(&directory);
        }
        DirBuilder::new().mode(MODE).create(&directory)?;
        let opened = open_own(&directory)?;
        Ok(Self { directory, opened })
    }

    /// Where the socket is, whatever has been put in the place of its directory.
    fn socket(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.opened.as_raw_fd())).join(SOCKET)
    }

    /// Gives the socket its owner, group and mode.
    fn hand_over(
        &self,
        owner: Option<Uid>,
        group: Option<Gid>,
        mode: Mode,
    ) -> io::Result<Identity> {
        let no_link = AtFlags::AT_SYMLINK_NOFOLLOW;
        if owner.is_some() || group.is_some() {
            fchownat(&self.opened, SOCKET, owner, group, no_link)?;
        }
        // Not the link's own mode, which Linux before 6.6 cannot set: nobody but us puts links here.
        let mode = stat::Mode::from_bits_truncate(mode.bits());
        fchmodat(&self.opened, SOCKET, mode, FchmodatFlags::FollowSymlink)?;
        Ok(fstatat(&self.opened, SOCKET, no_link)?.into())
    }

    fn move_to(&self, path: &std::path::Path) -> io::Result<()> {
        renameat(&self.opened, SOCKET, AT_FDCWD, path)?;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = unlinkat(&self.opened, SOCKET, UnlinkatFlags::NoRemoveDir);
        let _ = fs::remove_dir(&self.directory);
    }
}

/// The same path without links of directories, as far as they are there.
pub(super) fn without_links(path: &std::path::Path) -> PathBuf {
    let (parent, name) = (path.parent(), path.file_name());
    let parent = parent.and_then(|parent| fs::canonicalize(parent).ok());
    match (parent, name) {
        (Some(parent), Some(name)) => parent.join(name),
        _ => path.into(),
    }
}

/// Whether there are the user and the group that it is to have, and nothing else where it is to be. Its directory may be
/// made later: systemd does at a start.
pub(super) fn look_up(listener: &Listener, path: &std::path::Path) -> Result<(), BindError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(BindError::NotASocket(listener.address.clone()));
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(failed(listener)(error));
        }
        _ => {}
    }
    owner(listener)?;
    group(listener).map(drop)
}

fn owner(listener: &Listener) -> Result<Option<Uid>, BindError> {
    let Some(name) = listener.owner.as_deref() else {
        return Ok(None);
    };
    let user = User::from_name(name).ok().flatten();
    let user = user.ok_or_else(|| unknown(listener, "user", name))?;
    Ok(Some(user.uid))
}

fn group(listener: &Listener) -> Result<Option<Gid>, BindError> {
    let Some(name) = listener.group.as_deref() else {
        return Ok(None);
    };
    let group = Group::from_name(name).ok().flatten();
    let group = group.ok_or_else(|| unknown(listener, "group", name))?;
    Ok(Some(group.gid))
}

fn unknown(listener: &Listener, kind: &'static str, name: &str) -> BindError {
    BindError::Unknown {
        address: listener.address.clone(),
        kind,
        name: name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// The directory of a mail server belongs to its user, who may put links where root is about to set rights.
    #[tokio::test]
    async fn rights_are_set_on_the_socket_whatever_has_been_put_in_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::write(&victim, "").unwrap();
        fs::set_permissions(&victim, Permissions::from_mode(0o640)).unwrap();
        let staging = Staging::new(&directory.path().join("socket")).unwrap();
        let _socket = UnixListener::bind(staging.socket()).unwrap();

        let aside = directory.path().join("aside");
        fs::rename(&staging.directory, &aside).unwrap();
        fs::create_dir(&staging.directory).unwrap();
        symlink(&victim, staging.directory.join(SOCKET)).unwrap();
        staging.hand_over(None, None, Mode::DEFAULT).unwrap();

        let mode = |path: &std::path::Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&victim), 0o640);
        assert_eq!(mode(&aside.join("s")), 0o600);
    }
    /// What has the staging directory's name may be a link to a directory of somebody else.
    #[test]
    fn nothing_is_removed_through_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let victim = directory.path().join("victim");
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join(SOCKET), "").unwrap();
        let name = format!(".gp{}", std::process::id());
        symlink(&victim, directory.path().join(name)).unwrap();

        let staging = Staging::new(&directory.path().join("socket"));
        assert!(staging.is_err());
        assert!(victim.join(SOCKET).exists());
    }

    /// Another one's directory that is put in the place of ours gets no socket.
    #[tokio::test]
    async fn the_socket_is_made_in_our_own_directory() {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::new(&directory.path().join("socket")).unwrap();
        let aside = directory.path().join("aside");
        fs::rename(&staging.directory, &aside).unwrap();
        let theirs = directory.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        symlink(&theirs, &staging.directory).unwrap();

        let _socket = UnixListener::bind(staging.socket()).unwrap();
        assert!(aside.join(SOCKET).exists());
        assert!(!theirs.join(SOCKET).exists());
    }
}
