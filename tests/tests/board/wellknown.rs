//! What public providers publish, served to a board as each of them would: under its names, over TLS, whole and in
//! chunks.
//!
//! `vectors/wellknown.tsv` says how many keys are read of each document, and which are left out with what reason.

use std::collections::BTreeSet;

use gatepost_tests::appliance::{self, Appliance, Boot};
use gatepost_tests::certificates::{self, Certificate};
use gatepost_tests::corpora::{json_files, read_json};
use gatepost_tests::daemon::wait_until;
use gatepost_tests::stub::{Behaviour, Page, Stub};
use libtest_mimic::Failed;
use serde_json::Value;

use crate::{Case, Lab};

/// Its image, by its configuration in `tests/appliance`, which names every provider of the corpus.
pub(crate) const IMAGE: &str = "wellknown";

const TABLE: &str = include_str!("../../vectors/wellknown.tsv");
const CONFIGURATION: &str = include_str!("../../appliance/wellknown.toml");

const PORT: u16 = 12375;
const TIME: u16 = 12302;

/// Where all of them are, and the one whose documents are at the same URLs as another one's.
const PROVIDERS: u16 = 13300;
const OTHER: (&str, u16) = ("entra-common", 13301);

/// Sizes of chunks: no two documents are cut at the same places of the buffer.
const CHUNKS: usize = 37;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new(
        "what_public_providers_publish_is_read_whole_and_in_chunks",
        published,
    )]
}

/// A document of the corpus.
struct Published {
    name: String,
    metadata: Value,
    keys: Value,
}

impl Published {
    fn url(&self, member: &str) -> Result<(&str, &str), Failed> {
        let url = self.metadata[member].as_str().ok_or("no URL")?;
        let rest = url.strip_prefix("https://").ok_or("no https")?;
        Ok(rest.split_at(rest.find('/').unwrap_or(rest.len())))
    }

    /// The host and path of its metadata (`OpenID` Connect Discovery 1.0 section 4), and of its keys.
    fn places(&self) -> Result<[(String, String); 2], Failed> {
        let (host, path) = self.url("issuer")?;
        // What stands for a tenant, whose metadata are those of all organizations.
        let path = path
            .trim_end_matches('/')
            .replace("{tenantid}", "organizations");
        let path = format!("{path}/.well-known/openid-configuration");
        let (keys_host, keys_path) = self.url("jwks_uri")?;
        Ok([
            (host.to_owned(), path),
            (keys_host.to_owned(), keys_path.to_owned()),
        ])
    }

    /// What the board logs of its keys, in the order of the lines.
    fn expected(&self) -> BTreeSet<String> {
        let (file, name) = (format!("{}.json", self.name), &self.name);
        let rows = TABLE
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>());
        let own = rows.filter(|row| row[0] == file && row[1] != "metadata");
        own.map(|row| match row[2].strip_prefix("left out: ") {
            Some(why) => format!("key left out: {why}; provider={name}"),
            None => format!("provider found; provider={name} keys={}", row[2]),
        })
        .collect()
    }
}

fn published(lab: &Lab) -> Result<(), Failed> {
    let files = json_files("wellknown");
    if files.is_empty() {
        println!("left out: the corpus is not there");
        return Ok(());
    }
    let documents: Vec<Published> = files
        .iter()
        .map(|file| {
            let document = read_json(file);
            let name = file.file_stem().unwrap_or_default();
            Published {
                name: name.to_string_lossy().into_owned(),
                metadata: document["metadata"].clone(),
                keys: document["jwks"].clone(),
            }
        })
        .collect();
    for document in &documents {
        let line = format!("name = \"{}\"\n", document.name);
        assert!(CONFIGURATION.contains(&line), "the image has no {line}");
    }
    appliance::serve_time(TIME)?;
    let mut hosts = BTreeSet::new();
    for document in &documents {
        hosts.extend(document.places()?.map(|(host, _)| host));
    }
    let presented = certificates::server(Certificate::Good, &Vec::from_iter(hosts))?;
    let all = Stub::over_tls(PROVIDERS, "", presented.clone())?;
    let other = Stub::over_tls(OTHER.1, "", presented)?;
    for chunk in [None, Some(CHUNKS)] {
        for document in &documents {
            let stub = if document.name == OTHER.0 {
                &other
            } else {
                &all
            };
            let bodies = [&document.metadata, &document.keys];
            for ((host, path), body) in document.places()?.into_iter().zip(bodies) {
                let page = Page {
                    chunk,
                    ..Page::json(200, body)
                };
                stub.set_at(&host, &path, Behaviour::Answer(page));
            }
        }
        read(lab, &documents, chunk)?;
    }
    Ok(())
}

/// Boots a board, which reads them all.
fn read(lab: &Lab, documents: &[Published], chunk: Option<usize>) -> Result<(), Failed> {
    let directory = lab.directory(&format!("wellknown-{}", chunk.unwrap_or_default()))?;
    let device = Appliance::start(&Boot {
        has_seed: true,
        ..Boot::new(IMAGE, "mps2-an386", PORT, &directory)
    })?;
    let is_found = |document: &Published| {
        let line = format!("provider found; provider={} ", document.name);
        device.logged().contains(&line)
    };
    for document in documents {
        wait_until(&document.name, || is_found(document))
            .map_err(|error| format!("{error}; it logged:\n{}", device.logged()))?;
    }
    let logged = device.logged();
    for document in documents {
        let provider = format!("; provider={}", document.name);
        let of_it = logged.lines().filter_map(|line| {
            let at = line
                .find("key left out: ")
                .or_else(|| line.find("provider found; "))?;
            let (line, rest) = (&line[at..], format!("{provider} "));
            (line.ends_with(&provider) || line.contains(&rest)).then(|| line.to_owned())
        });
        assert_eq!(
            of_it.collect::<BTreeSet<_>>(),
            document.expected(),
            "{chunk:?}"
        );
        let left_out = format!("left out of the metadata{provider}");
        assert!(!logged.contains(&left_out) && !logged.contains("metadata refused"));
    }
    assert_eq!(device.starts(), 1);
    Ok(())
}
