//! An apt that knows nothing of the system's installed packages.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::recipes::{Recipe, Release};
use crate::process::run;

/// Whose signatures are believed.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt with a state of its own.
pub(super) struct Apt {
    pub(super) directory: PathBuf,
}

impl Apt {
    /// Starts from nothing and fetches the lists of packages, of the release that the host is of.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        Self::with_sources(directory, "")
    }

    /// Whether it has the packages of `release`.
    pub(super) fn is_of(&self, release: Release) -> io::Result<bool> {
        let targets = self.targets()?;
        let mut suites = targets.lines().filter_map(|line| line.split(' ').nth(1));
        Ok(suites.any(|suite| suite == release.name()))
    }

    /// As [`open`](Self::open), of any release from the same mirrors.
    pub(super) fn of_release(&self, directory: &Path, release: Release) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let list = directory.join("sources.list");
        let targets = self.targets()?;
        let lines = targets.lines().filter_map(|line| source(line, release));
        fs::write(&list, lines.collect::<String>())?;
        let sources = format!(
            "Dir::Etc::sourcelist \"{}\";\nDir::Etc::sourceparts \"/dev/null\";",
            list.display()
        );
        Self::with_sources(directory, &sources)
    }

    /// Where it fetches Debian's own lists, one a line: URI, suite, component.
    fn targets(&self) -> io::Result<String> {
        let format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
        run(self.get("indextargets").args([
            "--format",
            format,
            "Created-By: Packages",
            "Origin: Debian",
        ]))
    }

    fn with_sources(directory: &Path, sources: &str) -> io::Result<Self> {
        fs::create_dir_all(directory.join("state/lists/partial"))?;
        File::create(directory.join("installed"))?;
        let configuration = Self::configuration(directory)? + sources + "\n";
        fs::write(directory.join("apt.conf"), configuration)?;
        let apt = Self {
            directory: directory.to_owned(),
        };
        run(apt.get("update").arg("-qq"))?;
        Ok(apt)
    }

    /// The host's ways of fetching, but none of its hooks, pins and directories.
    fn configuration(directory: &Path) -> io::Result<String> {
        let host = run(Command::new("apt-config").arg("dump"))?;
        let fetching = |line: &&str| {
            line.starts_with("Acquire::") && !line.starts_with("Acquire::IndexTargets")
        };
        let mut lines: Vec<String> = host.lines().filter(fetching).map(str::to_owned).collect();
        let own = |name: &str| directory.join(name).display().to_string();
        let settings = [
            ("Dir::State", own("state")),
            ("Dir::State::status", own("installed")),
            ("Dir::Etc::parts", "/dev/null".to_owned()),
            ("Dir::Etc::preferences", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
            ("APT::Install-Recommends", "false".to_owned()),
            // The sandbox's user could not write below a target directory.
            ("APT::Sandbox::User", "root".to_owned()),
        ];
        lines.extend(settings.map(|(name, value)| format!("{name} \"{value}\";")));
        Ok(lines.join("\n") + "\n")
    }

    /// Fetches `recipe`'s packages and all that they depend on.
    pub(super) fn fetch(&self, recipe: &Recipe) -> io::Result<Vec<PathBuf>> {
        let cache = self.directory.join(format!("cache-{}", recipe.name));
        let archives = cache.join("archives");
        fs::create_dir_all(archives.join("partial"))?;
        run(self
            .get("install")
            .arg("-o")
            .arg(format!("Dir::Cache={}", cache.display()))
            .args(["-qq", "--yes", "--download-only"])
            .args(recipe.packages))?;
        let entries = fs::read_dir(archives)?;
        let paths: io::Result<Vec<_>> = entries.map(|entry| Ok(entry?.path())).collect();
        let is_package = |path: &PathBuf| path.extension().is_some_and(|kind| kind == "deb");
        Ok(paths?.into_iter().filter(is_package).collect())
    }

    fn get(&self, verb: &str) -> Command {
        let mut command = Command::new("apt-get");
        command
            .env("APT_CONFIG", self.directory.join("apt.conf"))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C")
            .arg(verb);
        command
    }
}

/// A line of a list of sources: a target of the host's release, turned to `release`.
fn source(target: &str, release: Release) -> Option<String> {
    let mut words = target.split(' ');
    let (uri, suite, component) = (words.next()?, words.next()?, words.next()?);
    // bookworm, bookworm-updates, bookworm-security
    let (_, pocket) = suite.split_at(suite.find('-').unwrap_or(suite.len()));
    let name = release.name();
    Some(format!(
        "deb [signed-by={KEYRING}] {uri} {name}{pocket} {component}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_release_comes_from_the_same_mirror_with_its_updates() {
        let turned = |target| source(target, Release::Trixie);
        assert_eq!(
            turned("http://mirror.test/debian/ bookworm main").as_deref(),
            Some(
                "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian/ trixie main\n"
            )
        );
        let security = turned("http://mirror.test/security/ bookworm-security main");
        assert!(security.is_some_and(|line| line.ends_with(" trixie-security main\n")));
        assert_eq!(turned(""), None);
    }
}
