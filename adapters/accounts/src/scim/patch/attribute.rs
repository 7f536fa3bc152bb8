//! Changes one attribute of a resource.

use serde_json::Value;

use super::several::change_elements;
use super::{Refusal, ScimType, Verb};
use crate::scim::attribute::Name;
use crate::scim::clean::{Object, attribute_value};
use crate::scim::filter::Expression;
use crate::scim::schema::Attribute;

/// Does `verb` to the attribute or the part that `name` says; of those elements that `selection` matches.
pub(super) fn change(
    resource: &mut Object,
    verb: Verb,
    name: &Name,
    selection: Option<&Expression>,
    value: Value,
) -> Result<(), Refusal> {
    let Some(schema) = name.extension else {
        return change_in(resource, verb, name, selection, value);
    };
    let mut home = match resource.remove(schema.urn) {
        Some(Value::Object(home)) => home,
        _ => Object::new(),
    };
    let changed = change_in(&mut home, verb, name, selection, value);
    if !home.is_empty() {
        resource.insert(schema.urn.to_owned(), Value::Object(home));
    }
    changed
}

fn change_in(
    home: &mut Object,
    verb: Verb,
    name: &Name,
    selection: Option<&Expression>,
    value: Value,
) -> Result<(), Refusal> {
    let attribute = name.attribute;
    if attribute.is_multi {
        let old = match home.remove(attribute.name) {
            Some(Value::Array(elements)) => elements,
            _ => Vec::new(),
        };
        let elements = change_elements(old, verb, name, selection, value)?;
        if !elements.is_empty() {
            home.insert(attribute.name.to_owned(), Value::Array(elements));
        }
        return Ok(());
    }
    match name.part {
        Some(part) => change_part(home, verb, attribute, part, value),
        None => change_whole(home, verb, attribute, value),
    }
}

fn change_whole(
    home: &mut Object,
    verb: Verb,
    attribute: &Attribute,
    value: Value,
) -> Result<(), Refusal> {
    let value = match verb {
        Verb::Remove => None,
        Verb::Add | Verb::Replace => attribute_value(attribute, value)?,
    };
    match (home.get_mut(attribute.name), value) {
        // The parts that are not named stay.
        (Some(Value::Object(old)), Some(Value::Object(new))) => old.extend(new),
        (_, Some(value)) => {
            home.insert(attribute.name.to_owned(), value);
        }
        (_, None) => remove(home, attribute)?,
    }
    Ok(())
}

/// Takes an attribute away. One that says whether somebody may log in stays: without it they might.
fn remove(home: &mut Object, attribute: &Attribute) -> Result<(), Refusal> {
    if attribute.is_required {
        let detail = format!("{} cannot be removed", attribute.name);
        return Err(Refusal::new(ScimType::Mutability, detail));
    }
    if attribute.name != "active" {
        home.remove(attribute.name);
    }
    Ok(())
}

fn change_part(
    home: &mut Object,
    verb: Verb,
    attribute: &Attribute,
    part: &Attribute,
    value: Value,
) -> Result<(), Refusal> {
    let mut parts = match home.remove(attribute.name) {
        Some(Value::Object(parts)) => parts,
        _ => Object::new(),
    };
    set_part(&mut parts, verb, part, value)?;
    if !is_void(&parts) {
        home.insert(attribute.name.to_owned(), Value::Object(parts));
    }
    Ok(())
}

/// Sets a part, or takes it away.
pub(super) fn set_part(
    parts: &mut Object,
    verb: Verb,
    part: &Attribute,
    value: Value,
) -> Result<(), Refusal> {
    let value = match verb {
        Verb::Remove => None,
        Verb::Add | Verb::Replace => attribute_value(part, value)?,
    };
    match value {
        Some(value) => parts.insert(part.name.to_owned(), value),
        None => parts.remove(part.name),
    };
    Ok(())
}

/// Whether nothing is left, or an empty value: that is how a manager is taken away.
pub(super) fn is_void(parts: &Object) -> bool {
    parts.is_empty() || parts.get("value") == Some(&Value::String(String::new()))
}
