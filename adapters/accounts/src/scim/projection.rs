//! What of a resource is shown: `attributes` and `excludedAttributes` (RFC 7644 section 3.9).

use serde_json::Value;

use super::attribute::{Name, Named, resolve};
use super::clean::Object;
use super::schema::{ResourceType, Returned};

/// What of a resource is shown.
#[derive(Clone, Debug, Default)]
pub(super) enum Projection {
    /// Everything that is shown by default.
    #[default]
    Whole,
    /// These, and what is always shown.
    Only(Vec<Named>),
    /// All but these, but what is always shown.
    Without(Vec<Named>),
}

/// Most names that are taken; more than there are attributes, with their parts.
const MAX_NAMES: usize = 200;

impl Projection {
    /// Reads two lists of names. Where both are given, the first counts; names that name nothing are passed over.
    pub(super) fn parse(
        resource_type: &'static ResourceType,
        attributes: Option<&str>,
        excluded: Option<&str>,
    ) -> Self {
        let names = |text: &str| {
            let names = text
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty());
            let names = names.take(MAX_NAMES);
            names.map(|name| resolve(resource_type, name)).collect()
        };
        let given = |text: Option<&str>| text.map(names).filter(|names: &Vec<_>| !names.is_empty());
        match (given(attributes), given(excluded)) {
            (Some(only), _) => Self::Only(only),
            (None, Some(without)) => Self::Without(without),
            (None, None) => Self::Whole,
        }
    }

    /// Whether an attribute of the core schema is shown, or some of its parts.
    pub(super) fn shows(&self, attribute: &str) -> bool {
        let is_it = |name: &Name| name.extension.is_none() && name.attribute.name == attribute;
        match self {
            Self::Whole => true,
            Self::Only(names) => names
                .iter()
                .any(|named| matches!(named, Named::Attribute(name) if is_it(name))),
            Self::Without(names) => !names.iter().any(
                |named| matches!(named, Named::Attribute(name) if is_it(name) && name.part.is_none()),
            ),
        }
    }

    /// What is shown of a resource.
    pub(super) fn of(&self, resource_type: &'static ResourceType, resource: Object) -> Object {
        match self {
            Self::Whole => resource,
            Self::Only(names) => only(resource_type, names, &resource),
            Self::Without(names) => {
                let mut resource = resource;
                for named in names {
                    remove(&mut resource, named);
                }
                resource
            }
        }
    }
}

fn only(resource_type: &'static ResourceType, names: &[Named], resource: &Object) -> Object {
    let mut shown = Object::new();
    for (key, value) in resource {
        let attribute = resource_type.attribute(key);
        if attribute.is_some_and(|attribute| attribute.returned == Returned::Always) {
            shown.insert(key.clone(), value.clone());
        }
    }
    for named in names {
        match named {
            Named::Extension(schema) => {
                if let Some(value) = resource.get(schema.urn) {
                    shown.insert(schema.urn.to_owned(), value.clone());
                }
            }
            Named::Attribute(name) => match name.extension {
                None => copy(name, resource, &mut shown),
                Some(schema) => {
                    let from = resource.get(schema.urn).and_then(Value::as_object);
                    let to = shown
                        .entry(schema.urn)
                        .or_insert_with(|| Value::Object(Object::new()));
                    if let (Some(from), Value::Object(to)) = (from, to) {
                        copy(name, from, to);
                    }
                }
            },
            Named::Foreign | Named::Unknown => {}
        }
    }
    shown.retain(|_, value| value.as_object().is_none_or(|parts| !parts.is_empty()));
    shown
}

/// Copies an attribute, or the part that is meant.
fn copy(name: &Name, from: &Object, to: &mut Object) {
    let key = name.attribute.name;
    let Some(value) = from.get(key) else { return };
    let Some(part) = name.part else {
        to.insert(key.to_owned(), value.clone());
        return;
    };
    match value {
        Value::Array(elements) => {
            let empty = || Value::Array(vec![Value::Object(Object::new()); elements.len()]);
            if let Value::Array(copies) = to.entry(key).or_insert_with(empty) {
                for (copy, element) in copies.iter_mut().zip(elements) {
                    copy_part(part.name, element, copy);
                }
            }
        }
        value => {
            let copy = to
                .entry(key)
                .or_insert_with(|| Value::Object(Object::new()));
            copy_part(part.name, value, copy);
        }
    }
}

fn copy_part(name: &str, from: &Value, to: &mut Value) {
    if let (Some(value), Value::Object(to)) = (from.get(name), to) {
        to.insert(name.to_owned(), value.clone());
    }
}

fn remove(resource: &mut Object, named: &Named) {
    match named {
        Named::Extension(schema) => {
            resource.remove(schema.urn);
        }
        Named::Attribute(name) if name.attribute.returned != Returned::Always => {
            let home = match name.extension {
                None => Some(resource),
                Some(schema) => resource.get_mut(schema.urn).and_then(Value::as_object_mut),
            };
            let Some(home) = home else { return };
            match (name.part, home.get_mut(name.attribute.name)) {
                (None, Some(_)) => {
                    home.remove(name.attribute.name);
                }
                (Some(part), Some(Value::Object(parts))) => {
                    parts.remove(part.name);
                }
                (Some(part), Some(Value::Array(elements))) => {
                    for element in elements.iter_mut().filter_map(Value::as_object_mut) {
                        element.remove(part.name);
                    }
                }
                _ => {}
            }
        }
        Named::Attribute(_) | Named::Foreign | Named::Unknown => {}
    }
}
