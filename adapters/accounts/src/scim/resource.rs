//! What a resource, as SCIM has it, means to mail servers and logins.

use serde_json::Value;

use super::Context;
use super::clean::{Object, is_primary, missing, text};
use super::limits::{MAX_DOCUMENT, MAX_EXTERNAL_ID, MAX_FORWARDING};
use super::refusal::{Refusal, quoted};
use super::schema::MAIL_USER;
use crate::id::Id;
use crate::model::{Account, Group, Kind, Life, Resource};
use crate::name::{
    Address, Domains, Email, NameError, Unusable, check, check_label, fold, is_visible,
    mailbox_and_aliases, usable_addresses,
};
use crate::store::Record;

/// What becomes of what claims one of our domains and cannot be an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Claims {
    /// It is refused: somebody claims it now.
    New,
    /// It is left out: it was claimed before the domain was ours.
    Known,
}

/// The record of a resource of that content.
pub(super) fn record(
    kind: Kind,
    content: &Object,
    id: Id,
    life: Life,
    (ours, claims): (&Context<'_>, Claims),
) -> Result<Record, Refusal> {
    let document = Value::Object(content.clone()).to_string();
    if document.len() > MAX_DOCUMENT {
        let detail = format!("the resource is larger than {MAX_DOCUMENT} bytes");
        return Err(Refusal::of_status(413, detail));
    }
    let external_id = external_id(content)?;
    let source = ours.source.id;
    let resource = match kind {
        Kind::Group => Resource::Group(Group {
            id,
            source,
            external_id,
            display_name: name(content, "displayName", check_label)?.to_owned(),
            life,
        }),
        Kind::Account => {
            let user_name = name(content, "userName", check)?;
            let domains = &ours.source.domains;
            let addresses = match claims {
                Claims::New => claimed(user_name, content, domains)?,
                Claims::Known => addresses(content, domains),
            };
            let mut account = Account {
                id,
                source,
                external_id,
                subject: None,
                user_name: user_name.to_owned(),
                display_name: text(content, "displayName").map(str::to_owned),
                mailbox: None,
                aliases: Vec::new(),
                active: content.get("active") != Some(&Value::Bool(false)),
                quota: quota(content)?,
                forwarding: forwarding(content)?,
                life,
            };
            account.set_addresses(addresses);
            Resource::Account(account)
        }
    };
    Ok(Record {
        resource,
        document,
        emails: keys(content),
    })
}

/// The addresses that somebody claims now, the mailbox first.
fn claimed(user_name: &str, content: &Object, ours: &Domains) -> Result<Vec<Address>, Refusal> {
    let found = mailbox_and_aliases(user_name, &emails(content), ours);
    let found = found.map(|(mailbox, aliases)| mailbox.into_iter().chain(aliases).collect());
    found.map_err(|Unusable { text, why }| {
        let text = quoted(&text);
        Refusal::value(format!("\"{text}\" cannot be an address here: {why}"))
    })
}

/// The addresses that an account of that content can have, the mailbox first.
pub(super) fn addresses(content: &Object, domains: &Domains) -> Vec<Address> {
    let user_name = text(content, "userName").unwrap_or_default();
    usable_addresses(user_name, &emails(content), domains)
}

/// Whether two contents claim the same addresses.
pub(super) fn claims_the_same(one: &Object, other: &Object) -> bool {
    ["userName", "emails"]
        .iter()
        .all(|name| one.get(*name) == other.get(*name))
}

/// A name that has to be there.
fn name<'o>(
    content: &'o Object,
    attribute: &str,
    judge: fn(&str) -> Result<(), NameError>,
) -> Result<&'o str, Refusal> {
    let name = text(content, attribute).ok_or_else(|| missing(attribute))?;
    judge(name).map_err(|why| {
        let name = quoted(name);
        Refusal::value(format!("{attribute} cannot be \"{name}\": {why}"))
    })?;
    Ok(name)
}

fn external_id(content: &Object) -> Result<Option<String>, Refusal> {
    let Some(external_id) = text(content, "externalId").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    // It is compared with a token's sub byte for byte.
    let is_plain = external_id.trim() == external_id && external_id.chars().all(is_visible);
    if external_id.len() > MAX_EXTERNAL_ID || !is_plain {
        let detail = format!(
            "externalId is longer than {MAX_EXTERNAL_ID} bytes, begins or ends with a blank, or contains control, \
             invisible or direction characters"
        );
        return Err(Refusal::value(detail));
    }
    Ok(Some(external_id.to_owned()))
}

fn elements<'o>(content: &'o Object, attribute: &str) -> impl Iterator<Item = &'o Value> {
    let elements = content.get(attribute).and_then(Value::as_array);
    elements.into_iter().flatten()
}

fn emails(content: &Object) -> Vec<Email<'_>> {
    let emails = elements(content, "emails").filter_map(|email| {
        let kind = email.get("type").and_then(Value::as_str);
        Some(Email {
            value: email.get("value")?.as_str()?,
            is_primary: is_primary(email),
            is_work: kind.is_some_and(|kind| kind.eq_ignore_ascii_case("work")),
        })
    });
    emails.collect()
}

/// What an account is found by: its e-mail addresses in lower case, each once.
fn keys(content: &Object) -> Vec<String> {
    let emails = emails(content);
    let mut keys: Vec<_> = emails
        .iter()
        .map(|email| fold(email.value).into_owned())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn mail_extension(content: &Object) -> Option<&Object> {
    content.get(MAIL_USER.urn).and_then(Value::as_object)
}

fn quota(content: &Object) -> Result<Option<u64>, Refusal> {
    let Some(quota) = mail_extension(content).and_then(|mail| mail.get("quota")) else {
        return Ok(None);
    };
    let quota = quota.as_u64().filter(|quota| i64::try_from(*quota).is_ok());
    quota
        .map(Some)
        .ok_or_else(|| Refusal::value("quota is not a number of bytes"))
}

fn forwarding(content: &Object) -> Result<Vec<Address>, Refusal> {
    let Some(mail) = mail_extension(content) else {
        return Ok(Vec::new());
    };
    let mut forwarding = Vec::new();
    for text in elements(mail, "forwarding").filter_map(Value::as_str) {
        let address = Address::parse(text).map_err(|why| {
            let text = quoted(text);
            Refusal::value(format!("mail cannot be forwarded to \"{text}\": {why}"))
        })?;
        if !forwarding.contains(&address) {
            forwarding.push(address);
        }
    }
    if forwarding.len() > MAX_FORWARDING {
        let detail = format!("mail is forwarded to at most {MAX_FORWARDING} addresses");
        return Err(Refusal::value(detail));
    }
    Ok(forwarding)
}

/// The content of a record, as it was kept.
pub(super) fn content(record: &Record) -> Object {
    // What is kept was written here; a store that lost it shows a resource without it.
    serde_json::from_str(&record.document).unwrap_or_default()
}
