//! What a login costs on the appliance, beside its bare signature: instructions and stack on an emulated board.
//!
//! A bare signature is checked with a key that is prepared for it from its numbers, as the device keeps keys;
//! what it costs with a key prepared before is told as well. A login is everything from the bytes of the `AUTH`
//! line to those of its answer; the network and idling are not in it. Run by `cargo xtask bench appliance`, which
//! builds the images.

use std::io;

use aws_lc_rs::rsa::KeySize;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatepost_device::Login;
use gatepost_tests::appliance;
use gatepost_tests::device::{Cost, M4, M33, Script};
use gatepost_tests::judge::xoauth2;
use gatepost_tests::mint::Issuer;
use gatepost_tests::typical::{self, AUDIENCE, ISSUER, NOW, SCOPE, USER, USERNAME_CLAIM};

/// The image whose cryptography is built with `opt-level = 3`.
const FAST_IMAGE: &str = "device-fast";

/// Length of a token without its signature: the common provider's of 819 bytes with ES256.
const UNSIGNED: usize = 733;

/// How many keys and signatures of each row are averaged: what ECDSA costs depends on its numbers, by half a
/// percent.
const DRAWS: usize = 6;

/// Most of a login over the signature alone, where that takes [`RATIO_FROM`] instructions or more.
const MOST_RATIO: f64 = 1.05;

/// From so many instructions on the ratio says something.
const RATIO_FROM: u64 = 1_000_000;

/// Most instructions of a login beside its signature.
const MOST_OWN: u64 = 60_000;

/// One row: an algorithm, and what the project has set itself.
struct Row {
    name: &'static str,
    alg: &'static str,
    key: KeySize,
    /// Bytes of a signature.
    signature: usize,
    /// Most instructions of the bare signature.
    most: Option<u64>,
}

const ROWS: [Row; 8] = [
    row("HS256", "HS256", 32),
    Row {
        most: Some(1_700_000),
        ..row("RS256-2048", "RS256", 256)
    },
    Row {
        key: KeySize::Rsa4096,
        ..row("RS256-4096", "RS256", 512)
    },
    row("PS256-2048", "PS256", 256),
    Row {
        most: Some(1_200_000),
        ..row("ES256", "ES256", 64)
    },
    Row {
        most: Some(13_500_000),
        ..row("ES384", "ES384", 96)
    },
    row("ES512", "ES512", 132),
    row("Ed25519", "EdDSA", 64),
];

const fn row(name: &'static str, alg: &'static str, signature: usize) -> Row {
    Row {
        name,
        alg,
        key: KeySize::Rsa2048,
        signature,
        most: None,
    }
}

fn main() -> io::Result<()> {
    let script = script();
    for (board, image, title) in [
        (M4, M4.image, "opt-level s, on which the targets are set"),
        (M33, M33.image, "opt-level s"),
        (
            M4,
            FAST_IMAGE,
            "opt-level s, the libraries of cryptography 3",
        ),
    ] {
        let directory = tempfile::tempdir()?;
        let report = script.run(board, &appliance::image(image)?, directory.path())?;
        if !report.is_good || report.costs.len() != ROWS.len() * DRAWS {
            return Err(io::Error::other(format!("the device says {report:?}")));
        }
        let costs: Vec<Cost> = report.costs.chunks(DRAWS).map(mean).collect();
        print(&format!("{}, {title}", board.processor), &costs);
    }
    Ok(())
}

/// Asks for every row, [`DRAWS`] times.
fn script() -> Script {
    let of_size = |size| [(); DRAWS].map(|()| Issuer::with_rsa_size(size));
    let (small, large) = (of_size(KeySize::Rsa2048), of_size(KeySize::Rsa4096));
    let mut script = Script::default();
    for row in &ROWS {
        let issuers = match row.key {
            KeySize::Rsa4096 => &large,
            _ => &small,
        };
        for issuer in issuers {
            measure(&mut script, row, issuer);
        }
    }
    script
}

/// Of the instructions; of the stack the most.
fn mean(costs: &[Cost]) -> Cost {
    let mean = |of: fn(&Cost) -> u64| costs.iter().map(of).sum::<u64>() / costs.len() as u64;
    let most = |of: fn(&Cost) -> u64| costs.iter().map(of).max().unwrap_or_default();
    Cost {
        prepared: mean(|cost| cost.prepared),
        bare: mean(|cost| cost.bare),
        stack: most(|cost| cost.stack),
        login: mean(|cost| cost.login),
        login_stack: most(|cost| cost.login_stack),
    }
}

fn measure(script: &mut Script, row: &Row, issuer: &Issuer) {
    let len = UNSIGNED + (row.signature * 4).div_ceil(3);
    let token = typical::token(issuer, row.alg, len);
    let (signing_input, signature) = token.rsplit_once('.').expect("a JWS");
    let response = STANDARD.encode(xoauth2(USER, &token));
    let jwk = issuer.jwk(row.alg).to_string();
    let line = format!("AUTH\t1\tXOAUTH2\tservice=smtp\tnologin\tresp={response}\n");
    script.measure(Login {
        jwk: jwk.as_bytes(),
        line: line.as_bytes(),
        algorithm: row.alg,
        signing_input: signing_input.as_bytes(),
        signature: &URL_SAFE_NO_PAD.decode(signature).expect("base64url"),
        answer: &format!("OK\t1\tuser={USER}\n"),
        now: NOW,
        issuer: ISSUER,
        audience: AUDIENCE,
        scope: SCOPE,
        username_claim: USERNAME_CLAIM,
    });
}

fn print(title: &str, costs: &[Cost]) {
    println!(
        "\n{title}; targets: a login takes {MOST_OWN} more than its bare signature at most, and {MOST_RATIO} times as \
         many where that takes {RATIO_FROM} or more"
    );
    println!(
        "{:<12} {:>10} {:>10} {:>12} {:>8} {:>10} {:>8} {:>8} {:>6}",
        "", "prepared", "bare", "target", "stack", "login", "stack", "own", "ratio"
    );
    for (row, cost) in ROWS.iter().zip(costs) {
        print_row(row, cost);
    }
}

fn print_row(row: &Row, cost: &Cost) {
    let target = row.most.map_or("-".to_owned(), |most| format!("<= {most}"));
    let own = cost.login.saturating_sub(cost.bare);
    let ratio = ratio(cost.login, cost.bare);
    let mut missed = String::new();
    if row.most.is_some_and(|most| cost.bare > most) {
        missed.push_str("  bare MISSED");
    }
    if own > MOST_OWN {
        missed.push_str("  own MISSED");
    }
    if cost.bare >= RATIO_FROM && ratio > MOST_RATIO {
        missed.push_str("  ratio MISSED");
    }
    println!(
        "{:<12} {:>10} {:>10} {target:>12} {:>8} {:>10} {:>8} {own:>8} {ratio:>6.3}{missed}",
        row.name, cost.prepared, cost.bare, cost.stack, cost.login, cost.login_stack
    );
}

#[expect(clippy::cast_precision_loss, reason = "no login takes so many")]
fn ratio(ours: u64, bare: u64) -> f64 {
    ours as f64 / bare as f64
}
