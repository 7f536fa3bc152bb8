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
        "postfix-lmdb",
        "postfix-sqlite",
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
const DOVECOT: [&str; 8] = [
    "dovecot-imapd",
    "dovecot-lmtpd",
    "dovecot-managesieved",
    "dovecot-pop3d",
    "dovecot-sqlite",
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

/// Suites and models of SCIM 2.0: scim2-cli with its tester, and scim-sanity; with what they depend on.
pub const SCIM: Recipe = Recipe {
    name: "scim",
    release: Release::Bookworm,
    packages: &["python3", "python3-pip", "base-files", "dash"],
    python: &[
        "annotated-types==0.8.0",
        "anyio==4.16.0",
        "click==8.5.1",
        "colorama==0.4.6",
        "dnspython==2.9.2",
        "docutils==0.23",
        "email-validator==2.4.0",
        "h11==0.16.0",
        "httpcore2==2.16.2",
        "httpx2==2.16.2",
        "idna==3.20",
        "lark==1.3.1",
        "pydanclick==0.5.1",
        "pydantic==2.14.4",
        "pydantic_core==2.50.5",
        "Pygments==2.21.0",
        "scim-sanity==0.7.4",
        "scim2-cli==0.6.0",
        "scim2-client==0.13.2",
        "scim2-models==0.12.3",
        "scim2-server==0.8.3",
        "scim2-tester==0.5.2",
        "sphinx-click-rst-to-ansi-formatter==0.2.0",
        "truststore==0.10.5",
        "typing-inspection==0.4.5",
        "typing_extensions==4.16.0",
    ],
};

/// A provider that pushes users and groups over SCIM: canaille, with what it depends on, for it wants its own
/// versions of what is in [`SCIM`].
pub const CANAILLE: Recipe = Recipe {
    name: "canaille",
    release: Release::Bookworm,
    packages: &["python3", "python3-pip", "base-files", "dash"],
    python: &[
        "alembic==1.20.1",
        "annotated-types==0.8.0",
        "anyio==4.16.0",
        "Authlib==1.9.10",
        "blinker==1.9.0",
        "cachelib==0.17.0",
        "canaille==0.3.6",
        "certifi==2026.10.19.post1",
        "cffi==2.1.1",
        "click==8.5.1",
        "cryptography==50.0.2",
        "dnspython==2.9.2",
        "dramatiq==2.2.1",
        "dramatiq-eager-broker==0.3.0",
        "email-validator==2.4.0",
        "Flask==3.1.3",
        "Flask-Alembic==3.3.0",
        "Flask-Caching==2.5.1",
        "flask-dramatiq==0.8.0",
        "Flask-Session==0.8.0",
        "Flask-WTF==1.3.0",
        "h11==0.16.0",
        "httpcore==1.0.9",
        "httpx==0.28.1",
        "idna==3.20",
        "itsdangerous==2.2.0",
        "Jinja2==3.1.6",
        "joserfc==1.8.0",
        "Mako==1.4.3",
        "MarkupSafe==3.0.4",
        "msgspec==0.23.0",
        "passlib==1.7.4",
        "pycparser==3.12",
        "pydantic==2.14.4",
        "pydantic-settings==2.16.3",
        "pydantic_core==2.50.5",
        "python-dotenv==1.2.4",
        "scim2-client==0.7.5",
        "scim2-models==0.6.12",
        "SQLAlchemy==2.1.9",
        "sqlalchemy-json==0.7.0",
        "SQLAlchemy-Utils==0.43.0",
        "tomlkit==0.15.2",
        "typing-inspection==0.4.5",
        "typing_extensions==4.16.0",
        "Werkzeug==3.1.9",
        "WTForms==3.3.2",
    ],
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

/// Those with what accounts are provisioned by, and the mail servers that hear of it.
pub const PROVISIONED: [&Recipe; 5] = [&MAIL, &DOVECOT_2_3, &DOVECOT_2_4, &SCIM, &CANAILLE];

/// All of them. The largest is first: it is unpacked while others are fetched.
pub const RECIPES: [&Recipe; 9] = [
    &WEBMAIL,
    &MAIL,
    &EXIM,
    &DOVECOT_2_3,
    &DOVECOT_2_4,
    &DJANGO,
    &SCIM,
    &CANAILLE,
    &EMULATORS,
];
