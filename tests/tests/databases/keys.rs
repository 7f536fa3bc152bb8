//! Way 2: Dovecot validates tokens itself, with the keys that Gatepost finds.

use gatepost_tests::daemon::wait_until;
use gatepost_tests::databases::{Databases, Site};
use gatepost_tests::dovecot::Version;
use gatepost_tests::login::Mechanism;
use gatepost_tests::mint::Issuer;
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::{Case, expect, login};

pub(crate) fn cases() -> Vec<Case> {
    let of_version = |version: Version| {
        let case = |rule: &str, check: fn(&Databases, &Site) -> Result<(), Failed>| {
            let name = format!("keys::{version:?}::{rule}");
            Case::new(name, move |lab: &Databases| check(lab, lab.site(version)))
        };
        [
            case("a_token_opens_the_mailbox_without_a_question", good),
            // Before any other key is asked for that is not known: that is looked into once in 30 seconds.
            case("a_rotation_is_followed", rotation),
            case("a_bad_token_is_refused_for_good", bad),
        ]
    };
    Version::ALL.into_iter().flat_map(of_version).collect()
}

/// Dovecot 2.3.19 takes no other `typ`.
fn sign(issuer: &Issuer, alg: &str, kid: &str, claims: &Value) -> String {
    let header = json!({"alg": alg, "kid": kid, "typ": "JWT"});
    issuer.sign_with_header(alg, &header, claims.to_string().as_bytes())
}

fn good(lab: &Databases, site: &Site) -> Result<(), Failed> {
    for alg in ["ES256", "RS256"] {
        let token = sign(&lab.issuer, alg, alg, &lab.claims(600));
        for mechanism in Mechanism::ALL {
            expect(&login(&site.keys, mechanism, token.as_bytes())?, true)?;
        }
    }
    Ok(())
}

fn bad(lab: &Databases, site: &Site) -> Result<(), Failed> {
    let good = lab.claims(600);
    for token in [
        sign(&lab.issuer, "ES256", "ES256", &lab.claims(-600)),
        sign(&Issuer::new(), "ES256", "ES256", &good),
        sign(&lab.issuer, "ES256", "unknown", &good),
        sign(&lab.issuer, "ES256", &"k".repeat(3_000), &good),
    ] {
        expect(
            &login(&site.keys, Mechanism::Xoauth2, token.as_bytes())?,
            false,
        )?;
    }
    Ok(())
}

fn rotation(lab: &Databases, site: &Site) -> Result<(), Failed> {
    let next = Issuer::new();
    let kid = format!("next-{:?}", site.version);
    let mut key = next.jwk("ES256");
    key["kid"] = json!(kid);
    lab.publish(&[lab.issuer.jwk("ES256"), lab.issuer.jwk("RS256"), key]);
    let token = sign(&next, "ES256", &kid, &lab.claims(600));
    // The first login finds no key yet; it has Gatepost look for one.
    wait_until("the new key", || {
        login(&site.keys, Mechanism::Xoauth2, token.as_bytes()).is_ok_and(|answer| answer.is_ok)
    })?;
    Ok(())
}
