//! The roots, by what is in them.

/// What one root directory is made of.
#[derive(Debug)]
pub struct Recipe {
    /// The directory's name.
    pub name: &'static str,
    /// Whose packages they are.
    pub(super) release: Release,
    /// Debian packages; what they depend on comes with them.
    pub(super) packages: &'static [&'static str],
    /// Packages of the Python Package Index, unpacked into [`PYTHON_PACKAGES`](super::PYTHON_PACKAGES).
    pub(super) python: &'static [&'static str],
}

/// A release of Debian.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

impl Release {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Bookworm, Self::Trixie];

    /// Its name in lists of sources.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }
}

/// Postfix, and every client.
pub const MAIL: Recipe = Recipe {
    name: "mail",
    release: Release::Bookworm,
    // The last two rows are what a Debian system has without being asked, and scripts rely on.
    packages: &[
        "postfix",
        "curl",
        "isync",
        "libsasl2-modules-kdexoauth2",
        "msmtp",
        "mutt",
        "ncurses-base",
        "neomutt",
        "python3",
        "python3-pip",
        "iproute2",
        "base-files",
        "bash",
        "coreutils",
        "dash",
        "findutils",
        "grep",
        "sed",
    ],
    // Carries a libcurl of its own, newer than Debian's.
    python: &["pycurl==7.49.0"],
};

/// Exim, which cannot be installed beside Postfix. Only the heavy daemon speaks to Dovecot's auth.
pub const EXIM: Recipe = Recipe {
    name: "exim",
    release: Release::Bookworm,
    packages: &["exim4-daemon-heavy", "base-files", "dash"],
    python: &[],
};

/// Every server of Dovecot's.
const DOVECOT: [&str; 7] = [
    "dovecot-imapd",
    "dovecot-lmtpd",
    "dovecot-managesieved",
    "dovecot-pop3d",
    "dovecot-submissiond",
    "base-files",
    "dash",
];

/// Dovecot 2.3, whose own oauth2 database is what there is to compare with.
pub const DOVECOT_2_3: Recipe = Recipe {
    name: "dovecot",
    release: Release::Bookworm,
    packages: &DOVECOT,
    python: &[],
};

/// Dovecot 2.4, with a C library of its own.
pub const DOVECOT_2_4: Recipe = Recipe {
    name: "dovecot24",
    release: Release::Trixie,
    packages: &DOVECOT,
    python: &[],
};

/// An identity provider in Python: django-oauth-toolkit.
pub const DJANGO: Recipe = Recipe {
    name: "django",
    release: Release::Bookworm,
    packages: &["python3-django-oauth-toolkit", "base-files", "dash"],
    python: &[],
};

/// Roundcube, and a browser to see it with.
pub const WEBMAIL: Recipe = Recipe {
    name: "webmail",
    release: Release::Bookworm,
    packages: &[
        "chromium-headless-shell",
        "php-cli",
        "php-curl",
        "php-intl",
        "php-mbstring",
        "php-sqlite3",
        "php-xml",
        "php-zip",
        "roundcube-core",
        "roundcube-sqlite3",
        "sqlite3",
        "base-files",
        "dash",
    ],
    python: &[],
};

/// Emulators: the boards that the appliance runs on, and the static daemon's foreign processor.
///
/// The system's own `qemu` packages would be replaced by an installation beside them; here they are not.
pub const EMULATORS: Recipe = Recipe {
    name: "emulators",
    release: Release::Bookworm,
    packages: &["qemu-system-arm", "qemu-user"],
    python: &[],
};

/// Those that servers run in.
pub const SERVERS: [&Recipe; 5] = [&MAIL, &EXIM, &DOVECOT_2_3, &DOVECOT_2_4, &DJANGO];

/// All of them. The largest is first: it is unpacked while others are fetched.
pub const RECIPES: [&Recipe; 7] = [
    &WEBMAIL,
    &MAIL,
    &EXIM,
    &DOVECOT_2_3,
    &DOVECOT_2_4,
    &DJANGO,
    &EMULATORS,
];
