//! The table's files: one provider each, in the format that `vectors/providers/README.md` describes.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What one provider issues and answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    /// What its makers call it.
    pub name: String,
    /// What an administrator has to know, in a paragraph or a few.
    pub about: String,
    /// The ways to configure Gatepost for it; the first is the one to start with.
    pub config: Vec<Config>,
    /// What it sends.
    pub case: Vec<Case>,
}

/// The body of a `[[provider]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Cases name it; unique in its file.
    pub name: String,
    /// When to use it.
    pub when: String,
    /// Whether to recommend it; others are there for what they refuse.
    #[serde(default = "yes")]
    pub advice: bool,
    /// TOML, as an administrator writes it.
    pub text: String,
}

/// One document and what becomes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What the document is, unique in its file.
    pub what: String,
    /// How it reaches Gatepost.
    pub kind: Kind,
    /// The configuration that judges it; the first unless named.
    pub config: Option<String>,
    /// The header of a JWT, without `alg` and `kid`.
    #[serde(default)]
    pub header: String,
    /// The claims of a JWT, as JSON.
    #[serde(default)]
    pub claims: String,
    /// The one issuer that the JWT's key signs for, where it has one of its own.
    pub key_issuer: Option<String>,
    /// The status of an answer.
    #[serde(default = "ok")]
    pub status: u16,
    /// The media type of an answer.
    #[serde(default = "json")]
    pub content_type: String,
    /// `WWW-Authenticate` of an answer.
    #[serde(default)]
    pub www_authenticate: String,
    /// The body of an answer, or a document.
    #[serde(default)]
    pub body: String,
    /// The body of the second endpoint's answer, where the first leaves something out.
    pub then: Option<String>,
    /// A recorded answer instead of the four above: a file in `recorded/`.
    pub recording: Option<String>,
    /// The user, the reason code, or what a document yields.
    pub verdict: String,
    /// Why it is refused, for whoever reads the table.
    #[serde(default)]
    pub why: String,
    /// Where the shape comes from; `unverified` where nobody has seen it.
    pub source: String,
}

/// How a document reaches Gatepost.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A JWT in the place of an access token: each is signed here and presented.
    AccessToken,
    /// As above: an ID token.
    IdToken,
    /// As above: a refresh token.
    RefreshToken,
    /// As above: a logout token, or another that is none of these.
    OtherToken,
    /// The answer of an introspection endpoint.
    Introspection,
    /// The answer of a userinfo endpoint.
    Userinfo,
    /// The answer of a tokeninfo endpoint.
    Tokeninfo,
    /// The answer of a token endpoint to a password.
    PasswordGrant,
    /// A provider's metadata: the verdict lists the endpoints found.
    Metadata,
    /// A JWK Set: the verdict is how many of its keys can be used.
    JwkSet,
}

fn yes() -> bool {
    true
}

fn ok() -> u16 {
    200
}

fn json() -> String {
    "application/json".to_owned()
}

impl Provider {
    /// The configuration that judges `case`.
    pub(crate) fn config(&self, case: &Case) -> &Config {
        let named = |name: &String| self.config.iter().find(|config| config.name == *name);
        match &case.config {
            None => &self.config[0],
            Some(name) => named(name).unwrap_or_else(|| panic!("{}: no config {name}", self.name)),
        }
    }
}

/// Every provider, by the name of its file.
pub(crate) fn read_all() -> Vec<(String, Provider)> {
    let mut files: Vec<PathBuf> = folder()
        .read_dir()
        .expect("the folder of the table")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a file of the table");
        let provider =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let name = path.file_stem().expect("a name").to_string_lossy();
        (name.into_owned(), provider)
    };
    files.into_iter().map(read).collect()
}

/// A recorded answer.
pub(crate) fn recording(name: &str) -> String {
    let path = folder().join("recorded").join(name).with_extension("http");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors/providers")
}

/// Checks what the format asks for beyond its types.
pub(crate) fn check(providers: &[(String, Provider)]) {
    for (file, provider) in providers {
        let mut names: Vec<_> = provider
            .case
            .iter()
            .map(|case| (&case.what, case.kind))
            .collect();
        names.sort_by_key(|(what, kind)| (*what, format!("{kind:?}")));
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "{file}: two cases of one name");
        for config in &provider.config {
            let is_used = |case: &Case| provider.config(case).name == config.name;
            assert!(
                provider.case.iter().any(is_used),
                "{file}: {} is not used",
                config.name
            );
        }
        for case in &provider.case {
            let is_refusal = case.verdict.contains('_') && !case.verdict.contains('@');
            let is_document = matches!(case.kind, Kind::Metadata | Kind::JwkSet);
            assert!(
                is_document || !is_refusal || !case.why.is_empty(),
                "{file}: {}: a refusal says why",
                case.what
            );
            assert!(!case.source.is_empty(), "{file}: {}: no source", case.what);
        }
    }
}
