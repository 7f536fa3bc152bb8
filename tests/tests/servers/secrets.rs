//! What left Gatepost in this run, searched for every token of this run.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use gatepost_tests::lab::{INET, Lab};
use gatepost_tests::login::{Login, Mechanism};
use gatepost_tests::smtp::InitialResponse;
use libtest_mimic::Failed;

use crate::Case;
use crate::logins::log_in;

/// So many characters of a token in a row are a leak.
const LENGTH: usize = 24;
/// Every such row that begins at a multiple of this is looked for, so none of 32 is missed.
const STEP: usize = 8;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new(
        "no_token_is_logged_or_sent",
        no_token_is_logged_or_sent,
    )]
}

fn no_token_is_logged_or_sent(lab: &Lab) -> Result<(), Failed> {
    for login in [Login::Good, Login::Expired] {
        log_in(
            lab,
            INET,
            Mechanism::Xoauth2,
            login,
            "ES256",
            InitialResponse::WithCommand,
        )?;
    }
    let tokens = lab.logins.tokens();
    let rows: HashSet<Vec<u8>> = tokens.iter().flat_map(|token| rows_of(token)).collect();
    let mut places = lab.logs()?;
    for (name, tap) in [("inet", &lab.inet_tap), ("unix", &lab.unix_tap)] {
        let sent = tap
            .recordings()
            .iter()
            .flat_map(|recording| recording.to_client())
            .collect();
        places.push((format!("the wire ({name})"), sent));
    }
    for (name, bytes) in &places {
        assert!(
            !bytes.is_empty() || name == "the wire (unix)",
            "{name} recorded nothing"
        );
        let leak = find(&rows, bytes);
        assert!(
            leak.is_none(),
            "{name} holds {:?}",
            leak.map(String::from_utf8_lossy)
        );
    }
    // The search finds what is there: a token in the midst of a line, plain and in a response.
    let token = &tokens[0];
    let response = STANDARD.encode(Mechanism::Xoauth2.response(token));
    for planted in [
        format!("token={} ", &token[3..60]),
        format!("resp={response}"),
    ] {
        assert!(find(&rows, planted.as_bytes()).is_some(), "{planted}");
    }
    Ok(())
}

/// The first of `rows` that stands in `bytes`.
fn find<'b>(rows: &HashSet<Vec<u8>>, bytes: &'b [u8]) -> Option<&'b [u8]> {
    // Only what tokens and base64 are made of can hold one.
    let words = bytes.split(|byte| !byte.is_ascii_alphanumeric() && !b"-_.+/".contains(byte));
    let mut windows = words.flat_map(|word| word.windows(LENGTH));
    windows.find(|row| rows.contains(*row))
}

/// Rows of `token` as it is, and in both alphabets of base64 behind 0, 1 and 2 other bytes.
fn rows_of(token: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![token.as_bytes().to_vec()];
    for before in 0..3 {
        let text = [&b"  "[..before], token.as_bytes()].concat();
        for encoded in [STANDARD.encode(&text), URL_SAFE_NO_PAD.encode(&text)] {
            // The first and the last group depend on what stands beside the token.
            forms.push(encoded.as_bytes()[4..encoded.len() - 4].to_vec());
        }
    }
    let rows = |form: Vec<u8>| -> Vec<Vec<u8>> {
        form.windows(LENGTH)
            .step_by(STEP)
            .map(<[u8]>::to_vec)
            .collect()
    };
    forms.into_iter().flat_map(rows).collect()
}
