//! What `PROVIDERS.md` tells administrators to write loads.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

/// Each configuration that the table recommends, with its provider and its name.
fn configurations() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/providers");
    let mut files: Vec<PathBuf> = folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "toml"))
        .collect();
    files.sort();
    let mut found = vec![];
    for file in files {
        let provider: Table = toml::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        for config in provider["config"].as_array().unwrap() {
            // What is there for what it refuses may be refused as a whole.
            if config.get("advice").is_some() {
                continue;
            }
            let [name, text] = ["name", "text"].map(|key| config[key].as_str().unwrap());
            let provider = provider["name"].as_str().unwrap();
            found.push((format!("{provider}, {name}"), text.to_owned()));
        }
    }
    found
}

#[test]
fn every_configuration_of_the_table_loads() {
    let root = tempfile::tempdir().unwrap();
    let secret = root.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let configurations = configurations();
    assert!(configurations.len() > 60, "{}", configurations.len());
    let mut faults = vec![];
    for (name, text) in configurations {
        // The page names a file that is not here.
        let text: String = text
            .lines()
            .map(|line| match line.split_once(" = ") {
                Some(("client_secret_file", _)) => {
                    format!("client_secret_file = \"{}\"\n", secret.display())
                }
                _ => format!("{line}\n"),
            })
            .collect();
        let file = root.path().join("gatepost.toml");
        let head = "listen = \"tcp:127.0.0.1:12345\"\n\n[[provider]]\n";
        fs::write(&file, format!("{head}{text}")).unwrap();
        let mut gatepost = Command::new(env!("CARGO_BIN_EXE_gatepost"));
        let output = gatepost.arg("check-config").arg(&file).output().unwrap();
        if !output.status.success() {
            faults.push(format!(
                "{name}: {}",
                String::from_utf8_lossy(&output.stdout)
            ));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
