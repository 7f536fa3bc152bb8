//! The account that the daemon runs as once it has its sockets, where it was started by root.

use std::ffi::CString;

use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, initgroups, setegid, seteuid, setgid, setuid};

/// Why the daemon cannot become somebody else.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    #[error(
        "user: there is no user {0:?}; create it (adduser --system --group {0}) or choose another"
    )]
    Unknown(String),
    #[error(
        "user: only root can become {0:?}; start gatepost as root, or as that user and without this line"
    )]
    NotRoot(String),
    #[error("user: {0:?} is root itself; choose a user without rights")]
    Root(String),
    #[error(
        "user: cannot become {name:?}: {errno}; gatepost needs CAP_SETUID and CAP_SETGID for it"
    )]
    Refused { name: String, errno: Errno },
}

/// Somebody without rights.
pub(crate) struct Account {
    name: String,
    uid: Uid,
    gid: Gid,
}

impl Account {
    /// The account of that name, which this process may become; `None` if it is that user already.
    pub(crate) fn find(name: &str) -> Result<Option<Self>, AccountError> {
        let user = User::from_name(name).ok().flatten();
        let user = user.ok_or_else(|| AccountError::Unknown(name.to_owned()))?;
        if user.uid.is_root() {
            return Err(AccountError::Root(name.to_owned()));
        }
        if user.uid == Uid::current() {
            return Ok(None);
        }
        if !Uid::effective().is_root() {
            return Err(AccountError::NotRoot(name.to_owned()));
        }
        Ok(Some(Self {
            name: name.to_owned(),
            uid: user.uid,
            gid: user.gid,
        }))
    }

    /// Its user's and its group's number.
    pub(crate) fn numbers(&self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }

    /// Acts as it until [`raise`](Self::raise), so that a file which it may not read is noticed at once, and
    /// not at the first reload.
    pub(crate) fn lower(&self) -> Result<(), AccountError> {
        self.groups().map_err(self.refused())?;
        setegid(self.gid).map_err(self.refused())?;
        seteuid(self.uid).map_err(self.refused())
    }

    /// Acts as root again, whose rights sockets may need.
    pub(crate) fn raise(&self) -> Result<(), AccountError> {
        seteuid(Uid::from_raw(0)).map_err(self.refused())?;
        setegid(Gid::from_raw(0)).map_err(self.refused())
    }

    /// Becomes it, in all threads and for good.
    pub(crate) fn become_it(self) -> Result<(), AccountError> {
        self.groups().map_err(self.refused())?;
        setgid(self.gid).map_err(self.refused())?;
        setuid(self.uid).map_err(self.refused())?;
        tracing::info!(user = self.name, "rights of root given up");
        Ok(())
    }

    fn groups(&self) -> Result<(), Errno> {
        let name = CString::new(self.name.as_str()).map_err(|_| Errno::EINVAL)?;
        initgroups(&name, self.gid)
    }

    fn refused(&self) -> impl FnOnce(Errno) -> AccountError {
        let name = self.name.clone();
        move |errno| AccountError::Refused { name, errno }
    }
}
