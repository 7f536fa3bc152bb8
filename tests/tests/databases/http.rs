//! Way 1: one URL is all that changes, as with docker-mailserver's `OAUTH2_INTROSPECTION_URL`.

use gatepost_tests::clients::Client;
use gatepost_tests::daemon::wait_until;
use gatepost_tests::databases::{Databases, Site};
use gatepost_tests::dovecot::Version;
use gatepost_tests::login::{Mechanism, USER};
use gatepost_tests::mint::Issuer;
use gatepost_tests::namespace::in_root;
use gatepost_tests::stream::Address;
use gatepost_tests::stub::{Behaviour, Page};
use libtest_mimic::Failed;
use serde_json::json;

use crate::{Case, expect, login};

pub(crate) fn cases() -> Vec<Case> {
    let of_version = |version: Version| {
        let case = |rule: &str, check: fn(&Databases, &Site) -> Result<(), Failed>| {
            let name = format!("http::{version:?}::{rule}");
            Case::new(name, move |lab: &Databases| check(lab, lab.site(version)))
        };
        [
            case("docker_mailserver_s_checks_pass", docker_mailserver),
            case("a_bad_token_is_refused_for_good", bad_tokens),
            case("a_token_of_any_bytes_is_a_bad_token", any_bytes),
            case("whoever_claims_to_be_nobody_stays_out", nobody),
            case(
                "a_provider_that_is_away_refuses_nobody_for_good",
                provider_away,
            ),
        ]
    };
    Version::ALL.into_iter().flat_map(of_version).collect()
}

/// The commands of docker-mailserver's page on tokens, and the lines of the logs that it looks for.
fn docker_mailserver(lab: &Databases, site: &Site) -> Result<(), Failed> {
    let token = lab.issuer.sign("RS256", &lab.claims(600));
    for mechanism in Mechanism::ALL {
        let Address::Tcp(imap) = site.http.imap() else {
            return Err("IMAP over a unix socket".into());
        };
        let status = in_root(&lab.mail_root, "/usr/bin/curl")
            .args(["--silent", "--max-time", "20", "--request", "LOGOUT"])
            .args(["--url", &format!("imap://{imap}"), "--user", USER])
            .args(["--login-options", &format!("AUTH={}", mechanism.name())])
            .args(["--oauth2-bearer", &token])
            .status()?;
        if !status.success() {
            return Err(format!("IMAP, {mechanism:?}: {status}").into());
        }
        let sent = Client::Curl.submit(&lab.mail_root, &site.submission, mechanism, &token)?;
        if sent.code != Some(235) || !sent.accepted_mail {
            return Err(format!("{sent:?}").into());
        }
    }
    // Its curl sends OAUTHBEARER in both cases.
    wait_until("the lines of the logs", || {
        site.http
            .logged()
            .contains(&format!("user=<{USER}>, method=OAUTHBEARER"))
            && lab
                .postfix
                .logged()
                .contains(&format!("sasl_method=OAUTHBEARER, sasl_username={USER}"))
    })?;
    Ok(())
}

fn bad_tokens(lab: &Databases, site: &Site) -> Result<(), Failed> {
    let mut foreign = lab.claims(600);
    foreign["aud"] = json!("another");
    let mut other = lab.claims(600);
    other["email"] = json!("bob@example.test");
    lab.stub.set(
        "/me",
        Behaviour::Answer(Page::json(401, &json!({"error": "invalid_token"}))),
    );
    for token in [
        lab.issuer.sign("ES256", &lab.claims(-600)),
        lab.issuer.sign("ES256", &foreign),
        lab.issuer.sign("ES256", &other),
        Issuer::new().sign("ES256", &lab.claims(600)),
        "opaque".to_owned(),
    ] {
        for mechanism in Mechanism::ALL {
            expect(&login(&site.http, mechanism, token.as_bytes())?, false)?;
        }
    }
    Ok(())
}

fn any_bytes(_: &Databases, site: &Site) -> Result<(), Failed> {
    for bytes in [
        &b"t\x02t"[..],
        b"t t",
        b"t\tt",
        b"\"",
        b"t\x7f",
        b"\xff\xfe",
        b"t\r\nX: y",
    ] {
        expect(&login(&site.http, Mechanism::Xoauth2, bytes)?, false)?;
    }
    Ok(())
}

fn nobody(_: &Databases, site: &Site) -> Result<(), Failed> {
    let mut session = gatepost_tests::imap::Session::open(&site.http.imap())?;
    let response = b"user=nobody@gatepost.invalid\x01auth=Bearer t\x01\x01";
    expect(&session.authenticate("XOAUTH2", response, "")?, false)
}

fn provider_away(lab: &Databases, site: &Site) -> Result<(), Failed> {
    lab.stub
        .set("/me", Behaviour::Answer(Page::json(503, &json!({}))));
    let answer = login(&site.http, Mechanism::Xoauth2, b"opaque-and-away")?;
    let is_told = site.http.logged().contains("Introspection failed");
    if answer.is_ok || !is_told {
        return Err(format!("{answer:?}").into());
    }
    // 2.4 tells its clients nothing of it but this.
    match site.version {
        Version::V2_3 if answer.text.starts_with("[UNAVAILABLE]") => Ok(()),
        Version::V2_4 if answer.challenge.is_some() => Ok(()),
        _ => Err(format!("{answer:?}").into()),
    }
}
