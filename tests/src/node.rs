//! Programs on Node.js: pinned in this repository, and installed below the directory of all roots.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{is_installed, run};

/// What one installation is made of.
#[derive(Debug)]
pub struct Installation {
    /// The directory's name.
    pub name: &'static str,
    /// Its files by their names, `package.json` and `package-lock.json` among them.
    pub(crate) files: &'static [(&'static str, &'static str)],
}

/// Mail clients, and what steers a browser.
pub const CLIENTS: Installation = Installation {
    name: "node-clients",
    files: &[
        ("package.json", include_str!("../js/package.json")),
        ("package-lock.json", include_str!("../js/package-lock.json")),
        ("imapflow.mjs", include_str!("../js/imapflow.mjs")),
        ("nodemailer.mjs", include_str!("../js/nodemailer.mjs")),
        ("roundcube.mjs", include_str!("../js/roundcube.mjs")),
    ],
};

/// What reads the patches and filters of SCIM, to compare with.
pub const SCIM_ORACLES: Installation = Installation {
    name: "node-scim",
    files: &[
        ("package.json", include_str!("../scim/package.json")),
        (
            "package-lock.json",
            include_str!("../scim/package-lock.json"),
        ),
        ("node.mjs", include_str!("../scim/node.mjs")),
    ],
};

/// Written last, so that it vouches for the whole installation.
const STAMP: &str = ".made-of";

/// What this machine lacks to run any, one reason a line.
#[must_use]
pub fn lacking() -> Vec<String> {
    let programs = ["node", "npm"].into_iter();
    let missing = programs.filter(|program| !is_installed(program));
    missing.map(|program| format!("no {program}")).collect()
}

impl Installation {
    /// Where it lies.
    #[must_use]
    pub fn directory(&self, roots: &Path) -> PathBuf {
        roots.join(self.name)
    }

    /// Whether it is installed below `roots` as it should be.
    #[must_use]
    pub fn is_ready(&self, roots: &Path) -> bool {
        let stamp = fs::read_to_string(self.directory(roots).join(STAMP));
        stamp.is_ok_and(|made_of| made_of == self.stamp())
    }

    /// Installs it below `roots`.
    ///
    /// # Errors
    /// When its packages cannot be fetched: tells what npm wrote.
    pub fn install(&self, roots: &Path) -> io::Result<()> {
        let place = self.directory(roots);
        let partial = roots.join(format!("{}.partial", self.name));
        for old in [&place, &partial] {
            match fs::remove_dir_all(old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::create_dir_all(&partial)?;
        for (name, text) in self.files {
            fs::write(partial.join(name), text)?;
        }
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&partial))?;
        fs::write(partial.join(STAMP), self.stamp())?;
        fs::rename(partial, place)
    }

    fn stamp(&self) -> String {
        let files = self.files.iter().flat_map(|&(name, text)| [name, text]);
        files.collect::<Vec<_>>().join("\n")
    }
}
