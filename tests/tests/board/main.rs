//! The firmware of the appliance by itself: floods, time, the watchdog, and what public providers publish.
//!
//! One board serves most cases, in their order: it runs as fast as a processor of 25 MHz, and the last case stops it.

mod debugger;
mod floods;
mod frames;
mod site;
mod time;
mod watchdog;
mod wellknown;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use gatepost_tests::appliance;
use gatepost_tests::cases::{self, Need, Program};
use gatepost_tests::namespace::Namespace;
use gatepost_tests::roots::{self, MAIL};

use site::Site;

/// A case in this lab.
type Case = cases::Case<Lab>;

/// Where boards write, and the one that most cases share, from the first of them on.
struct Lab {
    namespace: Namespace,
    site: OnceLock<Mutex<Site>>,
}

impl Lab {
    fn open() -> io::Result<Self> {
        Ok(Self {
            // For its command that brings the loopback up.
            namespace: Namespace::set_up(&roots::directory()?, &[&MAIL])?,
            site: OnceLock::new(),
        })
    }

    fn directory(&self, name: &str) -> io::Result<PathBuf> {
        self.namespace.directory(name)
    }

    fn site(&self) -> io::Result<MutexGuard<'_, Site>> {
        if self.site.get().is_none() {
            // Cases run one after the other.
            let _ = self
                .site
                .set(Mutex::new(Site::open(&self.directory("site")?)?));
        }
        let site = self
            .site
            .get()
            .ok_or_else(|| io::Error::other("not open"))?;
        Ok(site.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn logged(&self) -> Vec<(&'static str, String)> {
        let site = self.site.get().map(|site| site.lock());
        let site = site.map(|site| site.unwrap_or_else(PoisonError::into_inner));
        let logged = site.map(|site| ("The board", site.appliance.logged()));
        logged.into_iter().collect()
    }
}

fn main() -> ExitCode {
    let images = [site::IMAGE, time::IMAGE, wellknown::IMAGE];
    Program {
        subject: "the board by itself",
        open: Lab::open,
        cases,
        needs: vec![Need {
            what: "the appliance",
            themes: &[],
            lacking: appliance::lacking(&images),
        }],
        logs: Lab::logged,
    }
    .main()
}

fn cases() -> Vec<Case> {
    let mut cases = wellknown::cases();
    cases.extend(time::cases());
    cases.extend(site::cases());
    cases.extend(frames::cases());
    cases.extend(floods::cases());
    cases.extend(watchdog::cases());
    cases
}

/// A case of what the shared board does.
fn shared(name: &str, check: fn(&mut Site) -> Result<(), libtest_mimic::Failed>) -> Case {
    Case::new(name, move |lab: &Lab| check(&mut *lab.site()?))
}
