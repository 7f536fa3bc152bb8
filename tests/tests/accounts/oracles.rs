//! Patches and filters as software of others reads them. Where it differs, the reason stands in [`because`]; anything
//! else fails, and so does a reason that nothing needs any more.

mod because;
mod drawn;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::str::FromStr as _;

use gatepost_accounts::scim::filter::Filter;
use gatepost_accounts::scim::path::Path;
use gatepost_accounts::scim::schema::USERS;
use gatepost_tests::node::SCIM_ORACLES;
use gatepost_tests::provisioned::Provisioned;
use gatepost_tests::roots;
use gatepost_tests::scim::Service;
use libtest_mimic::Failed;
use serde_json::{Map, Value, json};

use crate::Case;
use drawn::{Numbers, alice, filter, operations};

/// How many cases are drawn.
const CASES: usize = 1_500;

const MODELS: &str = include_str!("../../scim/models.py");

pub(crate) fn cases() -> Vec<Case> {
    let case = |name: &str, check: fn(&Provisioned) -> Result<(), Failed>| {
        Case::new(format!("oracles::{name}"), check)
    };
    vec![
        case("patches_do_what_scim2_models_does", |lab| {
            compare(
                &patches(),
                &models(lab, &patches())?,
                &because::MODELS_PATCH,
            )
        }),
        case("filters_match_what_scim2_models_matches", |lab| {
            compare(
                &filters(),
                &models(lab, &filters())?,
                &because::MODELS_FILTER,
            )
        }),
        case("npm::patches_do_what_scim_patch_does", |_| {
            compare(&patches(), &node(&patches())?, &because::NODE_PATCH)
        }),
        case("npm::filters_match_what_scim2_parse_filter_matches", |_| {
            // It knows no schema, and with it not where case does not count.
            let filters: Vec<_> = filters().into_iter().map(in_lower_case).collect();
            compare(&filters, &node(&filters)?, &because::NODE_FILTER)
        }),
        case("what_is_read_is_what_scim_v2_reads", |_| grammar()),
    ]
}

/// What is asked of an oracle.
fn patches() -> Vec<Value> {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let one = |_| json!({"resource": alice(), "operations": operations(&mut numbers)});
    (0..CASES).map(one).collect()
}

fn filters() -> Vec<Value> {
    let mut numbers = Numbers(42);
    let one = |_| json!({"resource": alice(), "filter": filter(&mut numbers)});
    (0..CASES).map(one).collect()
}

/// A filter and its resource, of which all texts are in lower case.
fn in_lower_case(mut case: Value) -> Value {
    fn lower(value: &mut Value) {
        match value {
            Value::String(text) => *text = text.to_lowercase(),
            Value::Array(elements) => elements.iter_mut().for_each(lower),
            Value::Object(parts) => parts.values_mut().for_each(lower),
            _ => {}
        }
    }
    lower(&mut case["resource"]);
    let filter = case["filter"].as_str().unwrap_or_default();
    let parts = filter.split('"').enumerate();
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => part.to_owned(),
        _ => part.to_lowercase(),
    });
    case["filter"] = parts.collect::<Vec<_>>().join("\"").into();
    case
}

/// What we make of a case, in an oracle's words.
fn ours(case: &Value) -> Value {
    let resource = &case["resource"];
    if let Some(filter) = case["filter"].as_str() {
        let empty = Map::new();
        let resource = resource.as_object().unwrap_or(&empty);
        return match Filter::parse(&USERS, filter) {
            Ok(filter) => json!({"matches": filter.matches(resource)}),
            Err(refusal) => json!({"refused": refusal.detail}),
        };
    }
    let mut service = Service::new();
    let id = service.create("/Users", resource);
    let reply = service.patch(&format!("/Users/{id}"), &case["operations"]);
    match reply.status {
        200 => json!({"resource": reply.body}),
        _ => json!({"refused": reply.body["detail"]}),
    }
}

/// Without what the server adds, and what is nothing.
fn bare(mut told: Value) -> Value {
    if let Some(object) = told["resource"].as_object_mut() {
        for name in ["id", "meta", "schemas", "groups"] {
            object.remove(name);
        }
    }
    let refused = told.get("refused").is_some();
    if refused {
        return json!("refused");
    }
    without_nothing(&mut told);
    told
}

fn without_nothing(value: &mut Value) {
    let is_something = |value: &Value| match value {
        Value::Null => false,
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(parts) => !parts.is_empty(),
        _ => true,
    };
    match value {
        Value::Array(elements) => {
            elements.iter_mut().for_each(without_nothing);
            elements.retain(is_something);
        }
        Value::Object(parts) => {
            parts.values_mut().for_each(without_nothing);
            // What is not said to be primary is not.
            let is_said = |name: &str, value: &Value| name != "primary" || value != &json!(false);
            parts.retain(|name, value| is_something(value) && is_said(name, value));
        }
        _ => {}
    }
}

/// A reason for a difference, and whether it is that of a case: of what is asked, what we say, and what they say.
type Reason = (&'static str, fn(&str, &Value, &Value) -> bool);

fn asked(case: &Value) -> String {
    match &case["filter"] {
        Value::String(filter) => filter.clone(),
        _ => case["operations"].to_string(),
    }
}

fn compare(cases: &[Value], theirs: &[Value], reasons: &[Reason]) -> Result<(), Failed> {
    if cases.len() != theirs.len() {
        return Err(format!("{} answers of {}", theirs.len(), cases.len()).into());
    }
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut equal = 0;
    for (case, theirs) in cases.iter().zip(theirs) {
        let ours = ours(case);
        let (bare_ours, bare_theirs) = (bare(ours.clone()), bare(theirs.clone()));
        if bare_ours == bare_theirs {
            equal += 1;
            continue;
        }
        let reason = reasons
            .iter()
            .find(|(_, is_it)| is_it(&asked(case), &ours, theirs));
        match reason {
            Some((reason, _)) => *found.entry(reason).or_default() += 1,
            None => wrong.push(shown(case, &ours, theirs)),
        }
    }
    if equal < CASES * 4 / 5 {
        wrong.push(format!("only {equal} of {CASES} are alike"));
    }
    let unused = reasons
        .iter()
        .filter(|(reason, _)| !found.contains_key(reason));
    wrong.extend(unused.map(|(reason, _)| format!("nothing needs this any more: {reason}")));
    if wrong.is_empty() {
        return Ok(());
    }
    wrong.truncate(20);
    Err(wrong.join("\n").into())
}

/// A case, and where it differs.
fn shown(case: &Value, ours: &Value, theirs: &Value) -> String {
    let asked = asked(case);
    let empty = Map::new();
    let members = |told: &'_ Value| {
        told["resource"]
            .as_object()
            .cloned()
            .unwrap_or(empty.clone())
    };
    let (our, their) = (members(ours), members(theirs));
    if our.is_empty() || their.is_empty() {
        return format!("{asked}\n  ours   {ours}\n  theirs {theirs}");
    }
    let is_theirs = |name: &&String| !["id", "meta", "groups"].contains(&name.as_str());
    let differ = |name: &&String| our.get(*name) != their.get(*name);
    let names: BTreeSet<_> = our.keys().chain(their.keys()).filter(differ).collect();
    let names = names.into_iter().filter(is_theirs);
    let lines = names.map(|name| {
        let of = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
        format!("\n  {name}: {} {}", of(&our), of(&their))
    });
    asked + &lines.collect::<String>()
}

fn models(lab: &Provisioned, cases: &[Value]) -> Result<Vec<Value>, Failed> {
    ask(lab.suite(MODELS), cases)
}

fn node(cases: &[Value]) -> Result<Vec<Value>, Failed> {
    let mut command = Command::new("node");
    command.arg("node.mjs");
    command.current_dir(SCIM_ORACLES.directory(&roots::directory()?));
    ask(command, cases)
}

/// Hands an oracle all cases, and reads what it says of each.
fn ask(mut oracle: Command, cases: &[Value]) -> Result<Vec<Value>, Failed> {
    let lines: Vec<_> = cases.iter().map(|case| format!("{case}\n")).collect();
    let mut child = oracle
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no pipe")?;
    // Beside the reading, or both would wait for one another.
    let writer = std::thread::spawn(move || input.write_all(lines.concat().as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().map_err(|_| "a thread has panicked")??;
    let printed = String::from_utf8_lossy(&output.stdout);
    let answers: Result<Vec<_>, _> = printed.lines().map(serde_json::from_str).collect();
    let answers = answers?;
    if answers.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(answers)
}

/// What is a filter or a path to one parser is one to the other, but for what clients write beside the grammar.
fn grammar() -> Result<(), Failed> {
    let mut numbers = Numbers(7);
    let (mut read, mut refused, mut wrong) = (0, 0, Vec::new());
    for _ in 0..CASES * 4 {
        let text = drawn::broken(&mut numbers);
        let ours = Filter::parse(&USERS, &text).is_ok();
        let theirs = scim_v2::filter::Filter::from_str(&text).is_ok();
        if ours {
            read += 1;
        } else {
            refused += 1;
        }
        if ours != theirs
            && because::GRAMMAR
                .iter()
                .all(|(_, is_it)| !is_it(&text, ours))
        {
            wrong.push(format!("{text}: ours {ours}, theirs {theirs}"));
        }
    }
    for (text, expected) in because::PATHS {
        let ours = Path::parse(&USERS, text).is_ok();
        let theirs = scim_v2::filter::PatchPath::from_str(text).is_ok();
        assert_eq!((ours, theirs), expected, "{text}");
    }
    if !wrong.is_empty() {
        wrong.truncate(20);
        return Err(wrong.join("\n").into());
    }
    assert!(
        read > CASES && refused > CASES,
        "{read} read, {refused} refused"
    );
    Ok(())
}
