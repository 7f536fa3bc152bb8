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
    /// The deepest that its stack has been, in bytes: logged by the device after a login with each of its
    /// algorithms. For all of them the end-to-end tests hold it to the target.
    stack: u64,
}

/// Everything but TLS.
pub(super) const ALL: Measured = Measured {
    configuration: "examples/appliance/configs/all.toml",
    arguments: &[],
    flash: Some(384),
    memory: Some(96),
    stack: 17_588,
};

const MEASURED: [Measured; 4] = [
    ALL,
    Measured {
        configuration: "examples/appliance/configs/no-es384-es512.toml",
        arguments: &[],
        flash: Some(288),
        memory: None,
        stack: 15_032,
    },
    Measured {
        configuration: "examples/appliance/configs/es256-static.toml",
        // Linked as one whole it takes 20 KiB less flash; the others would take 2 KiB more of stack.
        arguments: &[
            "--no-default-features",
            "--config",
            "profile.firmware.lto=\"fat\"",
        ],
        flash: Some(160),
        memory: Some(48),
        stack: 12_008,
    },
    Measured {
        configuration: "examples/appliance/configs/tls.toml",
        arguments: &[],
        flash: None,
        memory: None,
        stack: 22_736,
    },
];

impl Measured {
    /// Whether an image of such a size meets its targets.
    fn holds(&self, size: &Size) -> bool {
        let is_within =
            |taken: u64, most: Option<u64>| most.is_none_or(|most| taken <= most * 1024);
        is_within(size.flash, self.flash) && is_within(size.memory + self.stack, self.memory)
    }
}

/// Prints what each image takes, beside its target, which it may not exceed.
pub(crate) fn print() -> Outcome {
    let mut is_good = true;
    println!(
        "{:<18} {:>10} {:>8} {:>12} {:>12} {:>8}",
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
        let target =
            |most: Option<u64>| most.map_or("reported".to_owned(), |most| format!("<= {most}"));
        println!(
            "{name:<18} {:>10.1} {:>8} {:>12.1} {:>12.1} {:>8}",
            kibibytes(size.flash),
            target(measured.flash),
            kibibytes(size.memory),
            kibibytes(size.memory + measured.stack),
            target(measured.memory),
        );
        is_good &= size.is_without_heap(&image) && measured.holds(&size);
    }
    println!("stack as it was measured; the device logs it: `memory statics=.. stack=..`");
    Ok(is_good)
}

/// What an image takes, in bytes.
pub(super) struct Size {
    pub(super) flash: u64,
    memory: u64,
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

    fn of(image: &[u8]) -> Result<Self, object::Error> {
        let file = object::File::parse(image)?;
        let (mut flash, mut memory) = (0, 0);
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
                memory += section.size();
            }
        }
        let names = file
            .symbols()
            .filter_map(|symbol| symbol.name().ok().map(str::to_owned));
        let allocator = names.into_iter().find(|name| name.contains("__rust_alloc"));
        Ok(Self {
            flash,
            memory,
            allocator,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "no image has so many bytes")]
pub(super) fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
