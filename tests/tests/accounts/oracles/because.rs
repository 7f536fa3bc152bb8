//! Why something differs from what software of others makes of it.

use serde_json::Value;

use super::Reason;

/// Whether an oracle has refused it with these words.
fn refuses(theirs: &Value, words: &str) -> bool {
    theirs["refused"]
        .as_str()
        .is_some_and(|said| said.contains(words))
}

fn emails(told: &Value) -> usize {
    told["resource"]["emails"].as_array().map_or(0, Vec::len)
}

/// Clients repeat what they have added, and say less of it.
const PART_OF_ANOTHER: Reason = (
    "an element that says nothing beyond one that is there is that one",
    |asked, ours, theirs| asked.contains("\"add\"") && emails(ours) < emails(theirs),
);

const REPLACED_WHOLE: Reason = (
    "a selected element that is replaced has no parts of before (RFC 7644 section 3.5.2.3)",
    |asked, _, theirs| {
        asked.contains("\"replace\",\"path\":\"emails[type eq \\\"home\\\"]\"")
            && emails(theirs) > 0
    },
);

pub(super) const MODELS_PATCH: [Reason; 3] = [
    PART_OF_ANOTHER,
    REPLACED_WHOLE,
    (
        "what is added to an element that is not there makes it, as Entra means",
        |_, _, theirs| refuses(theirs, "NoTarget"),
    ),
];

pub(super) const MODELS_FILTER: [Reason; 2] = [
    (
        "a filter may compare an address with what is none",
        |_, _, theirs| refuses(theirs, "is not valid for attribute"),
    ),
    (
        "of several values one that differs is enough for ne",
        |asked, _, _| {
            asked.contains(" ne ") && (asked.contains("emails.") || asked.contains("roles."))
        },
    ),
];

pub(super) const NODE_PATCH: [Reason; 8] = [
    PART_OF_ANOTHER,
    REPLACED_WHOLE,
    (
        "what is added to an element that is not there makes it, as Entra means; scim-patch does nothing",
        |asked, ours, theirs| {
            asked.contains("{\"op\":\"add\",\"path\":\"emails[") && emails(ours) > emails(theirs)
        },
    ),
    (
        "scim-patch lets two be primary (RFC 7644 section 3.5.2 makes the new one the only one)",
        |_, _, theirs| theirs.to_string().matches("\"primary\":true").count() > 1,
    ),
    (
        "what is to be removed may be gone already",
        |asked, _, theirs| {
            asked.contains("\"remove\"") && refuses(theirs, "matching array entry was not found")
        },
    ),
    (
        "scim-patch takes a URN within a value for a name with a dot",
        |asked, _, _| asked.contains("{\"urn:"),
    ),
    (
        "scim-patch does not know that an attribute that is not there would have several values",
        |_, _, theirs| refuses(theirs, "mono valued"),
    ),
    (
        "scim-patch drops the parts that a value does not name (RFC 7644 section 3.5.2.3 keeps them)",
        |asked, _, _| asked.contains("\"name\""),
    ),
];

pub(super) const NODE_FILTER: [Reason; 4] = [
    (
        "scim2-parse-filter does not read quotes within quotes",
        |asked, _, _| asked.contains("\\\""),
    ),
    ("scim2-parse-filter knows no URNs", |asked, _, _| {
        asked.contains("urn:")
    }),
    (
        "to scim2-parse-filter what is not there is neither equal nor different",
        |asked, _, _| asked.contains(" ne "),
    ),
    (
        "scim2-parse-filter reads not within brackets otherwise",
        |asked, _, _| asked.contains("[not"),
    ),
];

type Odd = (&'static str, fn(&str, bool) -> bool);

pub(super) const GRAMMAR: [Odd; 2] = [
    (
        "values come without quotes, as authentik sends them",
        |text, ours| ours && has_bare_value(text),
    ),
    (
        "by the grammar an attribute may be called not, and nothing has one",
        |text, ours| {
            ours && (text.starts_with("not ") || text.contains(" not ") || text.contains("(not "))
        },
    ),
];

/// Whether something is compared with a word that is neither in quotes nor a literal of JSON's.
fn has_bare_value(text: &str) -> bool {
    let words: Vec<_> = text.split(' ').collect();
    let operators = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"];
    let mut pairs = words.windows(2);
    pairs.any(|pair| operators.contains(&pair[0]) && !pair[1].starts_with('"'))
}

/// Paths, and whether we read them, and `scim_v2`.
pub(super) const PATHS: [(&str, (bool, bool)); 9] = [
    ("title", (true, true)),
    ("name.givenName", (true, true)),
    ("emails[type eq \"work\"].value", (true, true)),
    ("members[value eq \"x\"]", (false, true)),
    (
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
        (true, true),
    ),
    (
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        (true, true),
    ),
    ("", (false, false)),
    ("emails[", (false, false)),
    ("nickName:", (false, false)),
];
