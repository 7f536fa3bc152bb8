//! The firmware of the appliance: built for each configuration, and measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SectionFlags, elf};

use crate::Outcome;
use crate::workspace::{cargo, install_targets, output, root, succeeds, target_dir};

/// What it is built for.
const TARGET: &str = "thumbv7em-none-eabihf";

/// The configurations of the end-to-end tests.
const TESTED: [&str; 4] = [
    "tests/appliance/online.toml",
    "tests/appliance/online-an500.toml",
    "tests/appliance/online-tls.toml",
    "tests/appliance/pinned-an500.toml",
];

/// A configuration whose image is measured, and what it may take, in KiB.
struct Measured {
    configuration: &'static str,
    /// What its build is told beside.
    arguments: &'static [&'static str],
    flash: Option<u64>,
    /// Static memory and the stack together.
    memory: Option<u64>,
    /// The deepest that its stack has been, in bytes: logged by the device after a login with each of its
    /// algorithms. For all of them the end-to-end tests hold it to the target.
    stack: u64,
}

const MEASURED: [Measured; 4] = [
    Measured {
        configuration: "examples/appliance/configs/all.toml",
        arguments: &[],
        flash: Some(384),
        memory: Some(96),
        stack: 17_588,
    },
    Measured {
        configuration: "examples/appliance/configs/no-es384-es512.toml",
        arguments: &[],
        flash: Some(288),
        memory: None,
        stack: 15_032,
    },
    Measured {
        configuration: "examples/appliance/configs/es256-static.toml",
        arguments: &["--no-default-features"],
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

/// Builds the images that the tests boot.
pub(crate) fn build_tested() -> Outcome {
    for configuration in TESTED {
        if build(&root().join(configuration), &[])?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Builds the image of a configuration, or of one that is made up, boots it, and leaves it serving; with
/// `once` it logs in itself and ends.
pub(crate) fn qemu(configuration: Option<&str>, once: bool) -> Outcome {
    let demo = target_dir().join("appliance/demo");
    let configuration = match configuration {
        Some(named) => std::path::absolute(named)?,
        None if succeeds(board().arg("prepare").arg(&demo))? => demo.join("appliance.toml"),
        None => return Ok(false),
    };
    let Some(image) = build(&configuration, &[])? else {
        return Ok(false);
    };
    let roots = ["run", "--quiet", "-p", "gatepost-tests", "--bin", "roots"];
    if !succeeds(&mut cargo(roots))? {
        return Ok(false);
    }
    let mut serve = board();
    serve.arg("serve").arg(image).arg(configuration);
    Ok(succeeds(serve.args(once.then_some("--once")))?)
}

/// What this machine lacks for [`qemu`], each a reason of its own.
pub(crate) fn lacking() -> Vec<String> {
    match output(board().arg("lacking")) {
        Ok(lines) => lines.lines().map(str::to_owned).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// One login at a port of loopback, with the token of the standard input.
pub(crate) fn login(port: &str, user: &str) -> Outcome {
    Ok(succeeds(board().args(["login", port, user]))?)
}

/// The program that makes boards up, boots them, and logs in.
fn board() -> Command {
    let board = [
        "run",
        "--quiet",
        "-p",
        "gatepost-tests",
        "--bin",
        "board",
        "--",
    ];
    cargo(board)
}

/// Prints what each image takes, beside its target, which it may not exceed.
pub(crate) fn size() -> Outcome {
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
        let size = Size::of(&fs::read(&image)?)?;
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
        if let Some(symbol) = &size.allocator {
            println!("  it can allocate: {symbol}");
        }
        is_good &= size.allocator.is_none() && measured.holds(&size);
    }
    println!("stack as it was measured; the device logs it: `memory statics=.. stack=..`");
    Ok(is_good)
}

/// Builds the image of a configuration, told `more`; gives where it lies, or `None` where it cannot be built.
fn build(
    configuration: &Path,
    more: &[&str],
) -> Result<Option<PathBuf>, Box<dyn std::error::Error>> {
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
    command.args(more);
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
