//! The vectors that the core passes on the host pass on the device: Cortex-M boards, emulated.
//!
//! Each theme is one boot of an image, which is given the very cases of the host's tests; it judges them by its
//! processor's multiplier and by the core's own cryptography.

use gatepost_core::crypto::{Algorithm, RustCrypto};
use gatepost_device::Vector;
use gatepost_tests::appliance;
use gatepost_tests::corpora::{self, trial};
use gatepost_tests::device::{Board, M4, M33, Report, Script};
use gatepost_tests::vectors::{Case, jose, minted, responses, rfc, wycheproof};

/// A theme, and its cases.
type Theme = (&'static str, fn() -> Vec<Case>);

/// What a test does.
type Check = Box<dyn FnOnce() + Send>;

const THEMES: [Theme; 10] = [
    ("Wycheproof HS256, HS384, HS512", wycheproof::hmac),
    ("Wycheproof RS256, RS384, RS512", wycheproof::rsa_pkcs1),
    ("Wycheproof PS256, PS384, PS512", wycheproof::rsa_pss),
    ("Wycheproof ES256", || wycheproof::ecdsa(Algorithm::Es256)),
    ("Wycheproof ES384", || wycheproof::ecdsa(Algorithm::Es384)),
    ("Wycheproof ES512", || wycheproof::ecdsa(Algorithm::Es512)),
    ("Wycheproof Ed25519", wycheproof::ed25519),
    ("tokens of RFC 7515, 7520 and 8037", rfc::tokens),
    ("tokens as of RFC 9068, with every key", minted::tokens),
    ("client responses", responses::cases),
];

fn main() {
    let lacking = appliance::lacking(&[M4.image, M33.image]).join(", ");
    let mut checks: Vec<(String, Check)> = vec![
        (
            "a wrong expectation is told by its number".to_owned(),
            Box::new(wrong_expectation),
        ),
        (
            "a script that is cut off fails".to_owned(),
            Box::new(cut_off),
        ),
    ];
    let mut left_out = vec![];
    let jose = jose::tokens();
    if jose.is_none() {
        left_out.push("Wycheproof JWS on the device".to_owned());
    }
    for board in [M4, M33] {
        let mut add = |name: &str, cases: Box<dyn Fn() -> Vec<Case> + Send>| {
            let name = format!("{}: {name}", board.processor);
            checks.push((name, Box::new(move || passes(board, &cases()))));
        };
        for (name, cases) in THEMES {
            add(name, Box::new(cases));
        }
        if let Some(cases) = jose.clone() {
            add("Wycheproof JWS", Box::new(move || cases.clone()));
        }
    }
    if !lacking.is_empty() {
        println!("left out: everything on the device ({lacking})");
    }
    let trials = checks
        .into_iter()
        .map(|(name, check)| trial(&name, check).with_ignored_flag(!lacking.is_empty()));
    corpora::run(trials.collect(), &left_out);
}

/// The device judges as many cases as the host, and comes to the same.
fn passes(board: Board, cases: &[Case]) {
    assert!(!cases.is_empty());
    for case in cases {
        assert_eq!(case.outcome(&RustCrypto), case.expected, "{}", case.name);
    }
    let report = run(board, &Script::judging(cases));
    let differing = report.differing.iter();
    let named: Vec<_> = differing
        .map(|(number, outcome)| (&cases[*number].name, outcome))
        .collect();
    assert!(named.is_empty(), "{named:#?}");
    assert_eq!((report.judged, report.others), (cases.len(), vec![]));
    assert!(report.is_good);
}

fn wrong_expectation() {
    let mut cases = rfc::tokens();
    let last = cases.len() - 1;
    assert_eq!(cases[last].expected, Vector::GOOD);
    Vector::BAD.clone_into(&mut cases[last].expected);
    let report = run(M4, &Script::judging(&cases));
    assert_eq!(report.differing, [(last, Vector::GOOD.to_owned())]);
    assert_eq!((report.judged, report.is_good), (cases.len(), false));
}

fn cut_off() {
    let report = run(M4, &Script::cut_off());
    assert_eq!(report.others, ["the script is cut off"]);
    assert!(!report.is_good);
}

fn run(board: Board, script: &Script) -> Report {
    let directory = tempfile::tempdir().expect("a directory");
    let image = appliance::image(board.image).expect("the image");
    script
        .run(board, &image, directory.path())
        .expect("an emulated board")
}
