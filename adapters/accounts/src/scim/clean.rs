//! Makes what clients send into what the schema says: names as the schema spells them, values of its types, and
//! nothing that is read-only, unknown or secret.

use serde_json::{Map, Value};

use super::attribute::{Name, Named, resolve};
use super::limits::{MAX_DOCUMENT, MAX_ELEMENTS};
use super::refusal::{Refusal, ScimType, quoted};
use super::schema::{Attribute, Mutability, ResourceType, Type};
use crate::time::Timestamp;

/// A JSON object.
pub(crate) type Object = Map<String, Value>;

/// What a client says of one attribute.
pub(crate) struct Said {
    /// The name that it is said by.
    pub(crate) key: String,
    /// What that names; of a key that selects elements, as in `emails[type eq "work"].value`, their attribute.
    pub(crate) named: Named,
    pub(crate) value: Value,
}

impl Said {
    /// Whether its key selects elements of an attribute.
    pub(crate) fn is_selection(&self) -> bool {
        self.key.contains('[')
    }
}

/// What an object says of a resource, what is in extensions among it. Names may be written with their schema, or with
/// a dot, as Entra does.
///
/// # Errors
/// `invalidSyntax` where two names say the same: taking either would be a guess.
pub(crate) fn said(
    resource_type: &'static ResourceType,
    object: Object,
) -> Result<Vec<Said>, Refusal> {
    let mut all = Vec::new();
    for (key, value) in object {
        let name = key.split('[').next().unwrap_or_default();
        match resolve(resource_type, name) {
            Named::Extension(schema) if name == key => {
                for (name, value) in parts(schema.name, value)? {
                    let key = format!("{}:{name}", schema.urn);
                    let name = key.split('[').next().unwrap_or_default();
                    let named = resolve(resource_type, name);
                    all.push(Said { key, named, value });
                }
            }
            named => all.push(Said { key, named, value }),
        }
    }
    let mut ways = Vec::<Vec<_>>::new();
    for one in all.iter().filter(|one| !one.is_selection()) {
        let Named::Attribute(name) = &one.named else {
            continue;
        };
        let way: Vec<_> = way(name).collect();
        let is_same = |other: &Vec<_>| other.starts_with(&way) || way.starts_with(other);
        if ways.iter().any(is_same) {
            let detail = format!("what {} says is said twice in one object", quoted(&one.key));
            return Err(Refusal::new(ScimType::InvalidSyntax, detail));
        }
        ways.push(way);
    }
    Ok(all)
}

/// What the body of a POST or a PUT says.
///
/// # Errors
/// `invalidSyntax` as of [`said`], and where a key is about parts of an attribute that has several values: there are
/// none yet that it could mean.
pub(crate) fn said_of_whole(
    resource_type: &'static ResourceType,
    body: Object,
) -> Result<Vec<Said>, Refusal> {
    let all = said(resource_type, body)?;
    let odd = all.iter().find(|one| match &one.named {
        Named::Attribute(name) => {
            one.is_selection() || name.attribute.is_multi && name.part.is_some()
        }
        Named::Extension(_) | Named::Unknown => one.is_selection(),
        Named::Foreign => false,
    });
    match odd {
        Some(Said { key, .. }) => {
            let key = quoted(key);
            let detail = format!(
                "{key} is no attribute of a whole resource; send a list such as emails instead"
            );
            Err(Refusal::new(ScimType::InvalidSyntax, detail))
        }
        None => Ok(all),
    }
}

/// A whole resource as a client says it, without its members if it is a group. What is in schemas that are not ours is
/// passed over.
pub(crate) fn resource(all: Vec<Said>) -> Result<Object, Refusal> {
    let mut resource = Object::new();
    for Said { named, value, .. } in all {
        let Named::Attribute(name) = named else {
            continue;
        };
        if !is_kept(name.attribute) {
            continue;
        }
        if let Some(value) = attribute_value(name.last(), value)? {
            let way: Vec<_> = way(&name).collect();
            put(&mut resource, &way, value);
        }
    }
    Ok(resource)
}

/// Where in a resource an attribute is.
fn way(name: &Name) -> impl Iterator<Item = &'static str> {
    let home = name.extension.map(|schema| schema.urn);
    let part = name.part.map(|part| part.name);
    home.into_iter().chain([name.attribute.name]).chain(part)
}

/// Whether an attribute is part of what is kept of a resource. Members are kept beside it.
pub(crate) fn is_kept(attribute: &Attribute) -> bool {
    let is_ours = matches!(
        attribute.mutability,
        Mutability::ReadOnly | Mutability::WriteOnly
    );
    !is_ours && attribute.name != "schemas" && attribute.name != "members"
}

/// Puts a value at the end of a way through objects. A way that leads through something else is left.
fn put(object: &mut Object, way: &[&str], value: Value) {
    match way {
        [] => {}
        [last] => {
            object.insert((*last).to_owned(), value);
        }
        [first, rest @ ..] => {
            let inner = object
                .entry((*first).to_owned())
                .or_insert_with(|| Value::Object(Object::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// The members of an object, or none of `null`.
pub(crate) fn parts(name: &str, value: Value) -> Result<Object, Refusal> {
    match value {
        Value::Object(parts) => Ok(parts),
        Value::Null => Ok(Object::new()),
        _ => Err(Refusal::value(format!("{name} is not an object"))),
    }
}

/// The value of an attribute, all elements of it if it has several; `None` where there is none.
pub(crate) fn attribute_value(
    attribute: &Attribute,
    value: Value,
) -> Result<Option<Value>, Refusal> {
    if !attribute.is_multi {
        return element(attribute, value);
    }
    let elements = elements(attribute, value)?;
    Ok((!elements.is_empty()).then_some(Value::Array(elements)))
}

/// The elements of an attribute that has several; one alone need not be in an array.
pub(crate) fn elements(attribute: &Attribute, value: Value) -> Result<Vec<Value>, Refusal> {
    let values = match value {
        Value::Array(values) => values,
        value => vec![value],
    };
    if values.len() > MAX_ELEMENTS {
        let detail = format!("{} has more than {MAX_ELEMENTS} values", attribute.name);
        return Err(Refusal::value(detail));
    }
    let mut elements = Vec::new();
    for value in values {
        if let Some(element) = element(attribute, value)? {
            elements.push(element);
        }
    }
    if elements.iter().filter(|one| is_primary(one)).count() > 1 {
        let detail = format!("more than one of {} is primary", attribute.name);
        return Err(Refusal::value(detail));
    }
    Ok(elements)
}

/// Whether an element is the preferred one.
pub(crate) fn is_primary(element: &Value) -> bool {
    element.get("primary") == Some(&Value::Bool(true))
}

/// One value of an attribute; `None` where there is none.
pub(crate) fn element(attribute: &Attribute, value: Value) -> Result<Option<Value>, Refusal> {
    let wrong = |wanted: &str| {
        let detail = format!("{} is not {wanted}", attribute.name);
        Err(Refusal::value(detail))
    };
    Ok(match (attribute.value, value) {
        (_, Value::Null) => None,
        (Type::Boolean, Value::Bool(value)) => Some(Value::Bool(value)),
        // Entra sends "True" and "False", unless it is told otherwise.
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("true") => {
            Some(Value::Bool(true))
        }
        (Type::Boolean, Value::String(text)) if text.eq_ignore_ascii_case("false") => {
            Some(Value::Bool(false))
        }
        (Type::Boolean, _) => return wrong("true or false"),
        (Type::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
            Some(Value::Number(number))
        }
        (Type::Integer, Value::String(text)) if text.is_empty() => None,
        (Type::Integer, Value::String(text)) => match text.parse::<i64>() {
            Ok(number) => Some(Value::Number(number.into())),
            Err(_) => return wrong("a whole number"),
        },
        (Type::Integer, _) => return wrong("a whole number"),
        (Type::Complex, value) => complex(attribute, value)?,
        (Type::DateTime, Value::String(text)) if Timestamp::parse(&text).is_none() => {
            return wrong("a time as in RFC 3339");
        }
        (_, Value::String(text)) if text.len() > MAX_DOCUMENT => return wrong("short enough"),
        (_, Value::String(text)) => Some(Value::String(text)),
        (_, Value::Array(_) | Value::Object(_) | Value::Bool(_) | Value::Number(_)) => {
            return wrong("a text");
        }
    })
}

/// A value with parts. A text alone is its part `value`, as Entra sends a manager; an empty one is none.
fn complex(attribute: &Attribute, value: Value) -> Result<Option<Value>, Refusal> {
    let object = match value {
        Value::Object(object) => object,
        Value::String(text) if attribute.part("value").is_some() => {
            Object::from_iter([("value".to_owned(), Value::String(text))])
        }
        _ => {
            let detail = format!("{} is not an object", attribute.name);
            return Err(Refusal::value(detail));
        }
    };
    let mut parts = Object::new();
    for (name, value) in object {
        let Some(part) = attribute.part(&name) else {
            continue;
        };
        if part.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(value) = attribute_value(part, value)? {
            parts.insert(part.name.to_owned(), value);
        }
    }
    // An empty value is how some clients take one away.
    let is_void = parts.get("value") == Some(&Value::String(String::new()));
    Ok((!parts.is_empty() && !is_void).then_some(Value::Object(parts)))
}

/// The text of `name` in a resource.
pub(crate) fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

/// A client's text for a refusal that a resource lacks something.
pub(crate) fn missing(name: &str) -> Refusal {
    Refusal::value(format!("{} is missing", quoted(name)))
}
