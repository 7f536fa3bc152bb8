//! The firmware of the appliance: built for each configuration, and measured.

use std::fs;
use std::path::{Path, PathBuf};

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, elf};

use crate::Outcome;
use crate::workspace::{cargo, install_targets, root, succeeds, target_dir};

/// What it is built for.
const TARGET: &str = "thumbv7em-none-eabihf";

/// The configurations of the end-to-end tests.
const TESTED: [&str; 4] = [
    "tests/appliance/online.toml",
    "tests/appliance/online-an500.toml",
    "tests/appliance/tls.toml",
    "tests/appliance/pinned-an500.toml",
];

/// A configuration whose image is measured, and what it may take, in KiB.
struct Measured {
    configuration: &'static str,
    flash: Option<u64>,
    /// Static memory and the stack together.
    memory: Option<u64>,
}

const MEASURED: [Measured; 4] = [
    Measured {
        configuration: "examples/appliance/configs/all.toml",
        flash: Some(384),
        memory: Some(96),
    },
    Measured {
        configuration: "examples/appliance/configs/no-es384-es512.toml",
        flash: Some(288),
        memory: None,
    },
    Measured {
        configuration: "examples/appliance/configs/es256-static.toml",
        flash: Some(160),
        memory: Some(48),
    },
    Measured {
        configuration: "examples/appliance/configs/tls.toml",
        flash: None,
        memory: None,
    },
];

/// Builds the images that the tests boot.
pub(crate) fn build_tested() -> Outcome {
    for configuration in TESTED {
        if build(&root().join(configuration))?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Prints what each image takes, beside its target.
pub(crate) fn size() -> Outcome {
    let mut is_without_heap = true;
    println!(
        "{:<18} {:>10} {:>8} {:>12} {:>16}",
        "image", "flash KiB", "target", "static KiB", "with stack"
    );
    for measured in MEASURED {
        let configuration = root().join(measured.configuration);
        let Some(image) = build(&configuration)? else {
            return Ok(false);
        };
        let size = Size::of(&fs::read(&image)?)?;
        let name = image
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let target =
            |most: Option<u64>| most.map_or("reported".to_owned(), |most| format!("<= {most}"));
        println!(
            "{name:<18} {:>10.1} {:>8} {:>12.1} {:>16}",
            kibibytes(size.flash),
            target(measured.flash),
            kibibytes(size.memory),
            target(measured.memory),
        );
        if let Some(symbol) = size.allocator {
            println!("  it can allocate: {symbol}");
            is_without_heap = false;
        }
    }
    println!("the device logs how deep its stack has been: `memory statics=.. stack=..`");
    Ok(is_without_heap)
}

/// Builds the image of a configuration; gives where it lies, or `None` where it cannot be built.
fn build(configuration: &Path) -> Result<Option<PathBuf>, Box<dyn std::error::Error>> {
    if !install_targets(&[TARGET])? {
        return Ok(None);
    }
    let arguments = [
        "build",
        "-p",
        "appliance",
        "--target",
        TARGET,
        "--profile",
        "firmware",
    ];
    let mut command = cargo(arguments);
    if !succeeds(command.env("APPLIANCE_CONFIG", configuration))? {
        return Ok(None);
    }
    let images = target_dir().join("appliance");
    fs::create_dir_all(&images)?;
    let image = images.join(configuration.file_stem().unwrap_or_default());
    let built = target_dir().join(TARGET).join("firmware/appliance");
    fs::copy(built, &image)?;
    Ok(Some(image))
}

/// What an image takes, in bytes.
struct Size {
    flash: u64,
    memory: u64,
    /// A symbol that only a program with an allocator has.
    allocator: Option<String>,
}

impl Size {
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
fn kibibytes(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}
