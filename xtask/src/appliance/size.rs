//! What images take in flash and memory, beside their targets.

use std::fs;
use std::path::Path;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, elf};

use super::build;
use crate::Outcome;
use crate::workspace::root;

/// A configuration whose image is measured, and what it may take, in KiB.
pub(super) struct Measured {
    pub(super) configuration: &'static str,
    /// What its build is told beside.
    pub(super) arguments: &'static [&'static str],
    flash: Option<u64>,
    /// Static memory and the stack together.
    memory: Option<u64>,
}

/// Everything but TLS.
pub(super) const ALL: Measured = Measured {
    configuration: "examples/appliance/configs/all.toml",
    arguments: &[],
    flash: Some(312),
    memory: Some(96),
};

const MEASURED: [Measured; 4] = [
    ALL,
    Measured {
        configuration: "examples/appliance/configs/no-es384-es512.toml",
        arguments: &[],
        flash: Some(288),
        memory: None,
    },
    Measured {
        configuration: "examples/appliance/configs/es256-static.toml",
        arguments: &["--no-default-features"],
        flash: Some(156),
        memory: Some(44),
    },
    Measured {
        configuration: "examples/appliance/configs/tls.toml",
        arguments: &[],
        flash: Some(420),
        memory: Some(128),
    },
];

/// Prints what each image takes, beside its target. What it may not exceed is the memory that it is linked for.
pub(crate) fn print() -> Outcome {
    let mut is_good = true;
    println!(
        "{:<18} {:>10} {:>13} {:>12} {:>12} {:>13}",
        "image", "flash KiB", "target", "static KiB", "with stack", "target"
    );
    for measured in MEASURED {
        let configuration = root().join(measured.configuration);
        let Some(image) = build(&configuration, measured.arguments)? else {
            return Ok(false);
        };
        let size = Size::read(&image)?;
        let name = image
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        println!(
            "{name:<18} {:>10.1} {:>13} {:>12.1} {:>12.1} {:>13}",
            kibibytes(size.flash),
            target(size.flash, measured.flash),
            kibibytes(size.statics),
            kibibytes(size.memory()),
            target(size.memory(), measured.memory),
        );
        is_good &= size.is_without_heap(&image);
    }
    println!("of the stack: what the image is linked with, in which the tests run it");
    Ok(is_good)
}

/// A target in KiB, and whether `taken` bytes meet it.
fn target(taken: u64, most: Option<u64>) -> String {
    most.map_or("reported".to_owned(), |most| {
        let missed = if taken > most * 1024 { " missed" } else { "" };
        format!("<= {most}{missed}")
    })
}

/// What an image takes, in bytes.
pub(super) struct Size {
    pub(super) flash: u64,
    statics: u64,
    /// What it is linked with.
    stack: u64,
    /// A symbol that only a program with an allocator has.
    allocator: Option<String>,
}

impl Size {
    /// Of the image at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self::of(&fs::read(path)?)?)
    }

    /// Whether the image at `path`, whose size it is, has no allocator; says so where it has one.
    pub(super) fn is_without_heap(&self, path: &Path) -> bool {
        if let Some(symbol) = &self.allocator {
            println!("{} can allocate: {symbol}", path.display());
        }
        self.allocator.is_none()
    }

    /// What it takes of RAM.
    fn memory(&self) -> u64 {
        self.statics + self.stack
    }

    fn of(image: &[u8]) -> Result<Self, object::Error> {
        let file = object::File::parse(image)?;
        let (mut flash, mut statics) = (0, 0);
        for section in file.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            if !sh_flags.contains(elf::SHF_ALLOC) {
                continue;
            }
            if section.kind() != object::SectionKind::UninitializedData {
                flash += section.size();
            }
            if sh_flags.contains(elf::SHF_WRITE) {
                statics += section.size();
            }
        }
        let address = |name: &str| {
            let mut symbols = file.symbols();
            let symbol = symbols.find(|symbol| symbol.name().is_ok_and(|found| found == name));
            symbol.map_or(0, |symbol| symbol.address())
        };
        let names = file
            .symbols()
            .filter_map(|symbol| symbol.name().ok().map(str::to_owned));
        let allocator = names.into_iter().find(|name| name.contains("__rust_alloc"));
        Ok(Self {
            flash,
            statics,
            stack: address("_stack_start").saturating_sub(address("_stack_end")),
            allocator,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "no image has so many bytes")]
pub(super) fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
