//! The device image: vectors and logins go into the memory of an emulated board, answers come out.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Stdio;

use gatepost_device::{Login, MAX_SCRIPT, Request, SCRIPT_ON_M4, SCRIPT_ON_M33};

use crate::emulators;
use crate::vectors::Case;

/// A board, and the image for it that `cargo xtask test` builds.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// What QEMU calls it.
    name: &'static str,
    /// Its processor.
    pub processor: &'static str,
    /// The image.
    pub image: &'static str,
    script: usize,
}

/// The board on which targets are set.
pub const M4: Board = Board {
    name: "mps2-an386",
    processor: "Cortex-M4",
    image: "device",
    script: SCRIPT_ON_M4,
};

/// The board with the newer processor.
pub const M33: Board = Board {
    name: "mps2-an505",
    processor: "Cortex-M33",
    image: "device-m33",
    script: SCRIPT_ON_M33,
};

/// What the device has been asked, in its order.
#[derive(Clone, Debug, Default)]
pub struct Script {
    bytes: Vec<u8>,
}

/// What it has told.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Whether it ended with success.
    pub is_good: bool,
    /// How many vectors it has judged.
    pub judged: usize,
    /// Those that came to something else than was expected: their numbers, and what they came to.
    pub differing: Vec<(usize, String)>,
    /// What each login cost.
    pub costs: Vec<Cost>,
    /// Lines that say something else.
    pub others: Vec<String>,
}

/// What one login costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cost {
    /// Instructions of the signature with a key that was prepared before.
    pub prepared: u64,
    /// Instructions of the signature with the preparation of its key.
    pub bare: u64,
    /// Bytes of stack of that.
    pub stack: u64,
    /// Instructions from the bytes of the `AUTH` line to those of its answer.
    pub login: u64,
    /// Bytes of stack of that.
    pub login_stack: u64,
}

impl Script {
    /// Asks about `cases`.
    #[must_use]
    pub fn judging(cases: &[Case]) -> Self {
        let mut script = Self::default();
        for case in cases {
            script.push(&Request::Judge {
                vector: case.vector(),
                expected: &case.expected,
            });
        }
        script
    }

    /// One whose first request is none.
    #[must_use]
    pub fn cut_off() -> Self {
        Self {
            bytes: vec![1, u8::MAX],
        }
    }

    /// Asks what `login` costs.
    pub fn measure(&mut self, login: Login<'_>) {
        self.push(&Request::Measure(login));
    }

    fn push(&mut self, request: &Request<'_>) {
        let bytes = std::mem::take(&mut self.bytes);
        self.bytes = postcard::to_extend(&Some(request), bytes).expect("room in a vector");
    }

    /// Boots `image` on `board` with this script, which is written below `directory`; an instruction takes a
    /// nanosecond of the board's time.
    ///
    /// # Errors
    /// When it cannot be booted, or the script is too long for its memory.
    pub fn run(&self, board: Board, image: &Path, directory: &Path) -> io::Result<Report> {
        // What follows is zero: the end.
        if self.bytes.len() >= MAX_SCRIPT {
            return Err(io::Error::other("more than the device's memory holds"));
        }
        let file = directory.join("script");
        fs::write(&file, &self.bytes)?;
        let loaded = format!(
            "loader,file={},addr={:#x},force-raw=on",
            file.display(),
            board.script
        );
        let output = emulators::board()?
            .args([
                "-M",
                board.name,
                "-nographic",
                "-monitor",
                "none",
                "-serial",
                "none",
            ])
            .args(["-icount", "shift=0"])
            .args(["-semihosting-config", "enable=on,target=native"])
            .args(["-device", &loaded])
            .arg("-kernel")
            .arg(image)
            .stdin(Stdio::null())
            .output()?;
        let told = [output.stdout, output.stderr].concat();
        Ok(Report::read(
            &String::from_utf8_lossy(&told),
            output.status.success(),
        ))
    }
}

impl Report {
    fn read(told: &str, is_good: bool) -> Self {
        let mut report = Self {
            is_good,
            ..Self::default()
        };
        for line in told.lines() {
            if report.take(line).is_none() {
                report.others.push(line.to_owned());
            }
        }
        report
    }

    /// Takes one line; `None` where it is none of those known.
    fn take(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;
        match word {
            "differs" => {
                let (number, outcome) = rest.split_once(": ")?;
                self.differing
                    .push((number.parse().ok()?, outcome.to_owned()));
            }
            "judged" => self.judged = rest.split_once(',')?.0.parse().ok()?,
            "measured" => self.costs.push(Cost::read(rest)?),
            _ => return None,
        }
        Some(())
    }
}

impl Cost {
    fn read(text: &str) -> Option<Self> {
        let numbers: Vec<u64> = text.split(' ').flat_map(str::parse).collect();
        let [prepared, bare, stack, login, login_stack] = numbers[..] else {
            return None;
        };
        Some(Self {
            prepared,
            bare,
            stack,
            login,
            login_stack,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_device_is_kept() {
        let told = "differs 7: BadName\nmeasured 1 2 3 4 5\nfault at 0x2\njudged 9, 1 differ\n";
        let report = Report::read(told, false);
        assert_eq!(report.judged, 9);
        assert_eq!(report.differing, [(7, "BadName".to_owned())]);
        assert_eq!(report.costs[0].login_stack, 5);
        assert_eq!(report.others, ["fault at 0x2"]);
    }
}
