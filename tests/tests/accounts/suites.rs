//! Suites that test any SCIM server, against the real daemon. What they find that is meant so is listed with its
//! reason; anything else fails, and so does a deviation that is listed and does not occur.

use std::fs;
use std::path::Path;

use gatepost_tests::provisioned::{Provisioned, endpoint};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::Case;

/// Something that a suite finds, and why it stays so.
struct Deviation {
    /// The check.
    check: &'static str,
    /// A part of what the suite says.
    says: &'static str,
    #[allow(dead_code, reason = "for whoever reads the list")]
    because: &'static str,
}

/// The schema of our own extension, which a suite fills with what its types allow.
const MAIL: &str = "urn:gatepost:params:scim:schemas:extension:mail:2.0:User";

const ACTIVE: Deviation = Deviation {
    check: "check_remove_attribute",
    says: "PATCH modify() did not remove attribute 'active'",
    because: "without it whoever was locked out would be let in: it changes by being said, and by nothing else",
};

/// The suite makes up texts for `forwarding`, whose type can only say that it is one.
const fn forwarding(check: &'static str) -> Deviation {
    Deviation {
        check,
        says: "it is not an address like name@domain without quotes",
        because: "mail is forwarded to addresses, and what cannot be one would be lost",
    }
}

const WITH_EXTENSION: [Deviation; 7] = [
    forwarding("object_query_with_attributes"),
    forwarding("object_list_with_attributes"),
    forwarding("search_with_attributes"),
    forwarding("object_replacement"),
    forwarding("check_add_attribute"),
    forwarding("check_remove_attribute"),
    forwarding("check_replace_attribute"),
];

const SANITY: [Deviation; 1] = [Deviation {
    check: "PATCH /Groups/{id} add member",
    says: "Expected 200, got 400",
    because: "ids are ours to give: a member whose id was never given cannot come later, and who is told that it is \
              in the group would miss its mail",
}];

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, check: fn(&Provisioned) -> Result<(), Failed>| {
        Case::new(format!("suites::{name}"), check)
    };
    vec![
        case("scim2_tester_finds_nothing_unexplained", tester),
        case(
            "scim2_tester_finds_nothing_unexplained_in_the_schemas_of_rfc_7643",
            tester_without_extension,
        ),
        case(
            "scim_sanity_finds_nothing_unexplained_in_strict_mode",
            sanity,
        ),
    ]
}

fn tester(lab: &Provisioned) -> Result<(), Failed> {
    judge(&scim2_test(lab, &[])?, 100, &WITH_EXTENSION)
}

/// Without the extension, so that what its values would hide is tested as well.
fn tester_without_extension(lab: &Provisioned) -> Result<(), Failed> {
    let secret = lab.secret("tester")?;
    let listed = |path: &str| -> Result<Vec<Value>, Failed> {
        let request = ureq::get(format!("{}{path}", endpoint("tester")));
        let request = request.header("Authorization", format!("Bearer {secret}"));
        let text = request.call()?.body_mut().read_to_string()?;
        let mut listed: Value = serde_json::from_str(&text)?;
        Ok(serde_json::from_value(listed["Resources"].take())?)
    };
    let mut schemas = listed("/Schemas")?;
    schemas.retain(|schema| schema["id"] != MAIL);
    let mut types = listed("/ResourceTypes")?;
    for one in &mut types {
        if let Some(extensions) = one["schemaExtensions"].as_array_mut() {
            extensions.retain(|extension| extension["schema"] != MAIL);
        }
    }
    let root = lab.suite_root();
    write(&root, "tmp/schemas.json", &json!(schemas))?;
    write(&root, "tmp/types.json", &json!(types))?;
    let files = [
        "--schemas",
        "/tmp/schemas.json",
        "--resource-types",
        "/tmp/types.json",
    ];
    judge(&scim2_test(lab, &files)?, 130, &[ACTIVE])
}

fn write(root: &Path, name: &str, value: &Value) -> std::io::Result<()> {
    fs::write(root.join(name), value.to_string())
}

/// A check of a suite, and what the suite says against the server, if anything.
type Found = (String, Option<String>);

fn scim2_test(lab: &Provisioned, options: &[&str]) -> Result<Vec<Found>, Failed> {
    let secret = lab.secret("tester")?;
    let output = lab
        .suite("from scim2_cli import cli; cli()")
        .args(["--url", &endpoint("tester")])
        .args(options)
        .args(["test", "--verbose"])
        .env(
            "SCIM_CLI_HEADERS",
            format!("Authorization: Bearer {secret}"),
        )
        .output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let mut found: Vec<Found> = Vec::new();
    for line in printed.lines() {
        match line.split_once(' ') {
            Some(("SUCCESS", check)) => found.push((check.to_owned(), None)),
            Some((status, check))
                if status.bytes().all(|c| c.is_ascii_uppercase()) && !status.is_empty() =>
            {
                found.push((check.to_owned(), Some(String::new())));
            }
            _ => {
                if let Some((_, Some(says))) = found.last_mut() {
                    says.push_str(line);
                }
            }
        }
    }
    if found.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(found)
}

fn sanity(lab: &Provisioned) -> Result<(), Failed> {
    let secret = lab.secret("sanity")?;
    let output = lab
        .suite("from scim_sanity.cli import main; main()")
        .args(["probe", &endpoint("sanity"), "--token", &secret])
        .args(["--i-accept-side-effects", "--strict", "--json-output"])
        .output()?;
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let results = report["results"].as_array().ok_or("no results")?;
    // Agents are of a draft, and nothing that has mail.
    let is_about_us = |result: &&Value| {
        let phase = result["phase"].as_str().unwrap_or_default();
        result["status"] != "skip" || !phase.contains("Agent")
    };
    let found = results.iter().filter(is_about_us).map(|result| {
        let text = |name: &str| result[name].as_str().unwrap_or_default().to_owned();
        let is_good = result["status"] == "pass";
        (text("name"), (!is_good).then(|| text("message")))
    });
    judge(&found.collect::<Vec<_>>(), 27, &SANITY)
}

/// At least so many checks were made and found nothing, and what they found is what is listed.
fn judge(found: &[Found], at_least: usize, listed: &[Deviation]) -> Result<(), Failed> {
    let is_listed =
        |check: &str, says: &str, one: &Deviation| one.check == check && says.contains(one.says);
    let complaints = || {
        found
            .iter()
            .filter_map(|(check, says)| Some((check, says.as_ref()?)))
    };
    let unexplained = complaints()
        .filter(|(check, says)| !listed.iter().any(|one| is_listed(check, says, one)))
        .map(|(check, says)| format!("{check}: {says}"));
    let missing = listed
        .iter()
        .filter(|one| !complaints().any(|(check, says)| is_listed(check, says, one)))
        .map(|one| format!("listed, and not found any more: {}", one.check));
    let wrong: Vec<_> = unexplained.chain(missing).collect();
    let good = found.iter().filter(|(_, says)| says.is_none()).count();
    if wrong.is_empty() && good >= at_least {
        return Ok(());
    }
    Err(format!("{good} checks found nothing\n{}", wrong.join("\n")).into())
}
