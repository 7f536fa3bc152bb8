//! PATCH (RFC 7644 section 3.5.2), in all the shapes that clients send.
//!
//! Operations are read first, all of them, and then done to a copy of the resource, so a request is applied whole or
//! not at all. What they do to members is gathered as an edit of a table.

mod attribute;
mod several;

use serde_json::Value;

use super::attribute::{Name, Named};
use super::clean::{Object, Said, is_kept, parts, said};
use super::filter::{Expression, is_members};
use super::limits::{MAX_COMPARISONS, MAX_OPERATIONS};
use super::members::MemberEdits;
use super::path::{Path, Target};
use super::refusal::{Refusal, ScimType, quoted};
use super::schema::{Mutability, ResourceType};
use crate::id::Id;

/// The operations of a request.
#[derive(Clone, Debug)]
pub struct Patch {
    resource_type: &'static ResourceType,
    operations: Vec<Operation>,
}

#[derive(Clone, Debug)]
struct Operation {
    verb: Verb,
    path: Option<Path>,
    value: Value,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verb {
    Add,
    Replace,
    Remove,
}

/// What comes of a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Patched {
    /// Everything but members.
    pub(crate) resource: Object,
    /// What becomes of the members.
    pub(crate) members: MemberEdits,
    /// How many elements have been compared so far, at most.
    comparisons: usize,
}

impl Patch {
    /// Reads the body of a PATCH of a resource of that type.
    ///
    /// # Errors
    /// `invalidSyntax`, `invalidPath`, `invalidFilter` or `invalidValue`; 413 for too many operations.
    pub fn parse(resource_type: &'static ResourceType, body: Object) -> Result<Self, Refusal> {
        let mut operations = Vec::new();
        let listed = body
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("Operations"));
        let Some((_, Value::Array(listed))) = listed else {
            let detail = "a PATCH has a list of Operations";
            return Err(Refusal::new(ScimType::InvalidSyntax, detail));
        };
        if listed.len() > MAX_OPERATIONS {
            let detail = format!("a PATCH has at most {MAX_OPERATIONS} operations");
            return Err(Refusal::of_status(413, detail));
        }
        for operation in listed {
            operations.push(Operation::parse(resource_type, operation)?);
        }
        Ok(Self {
            resource_type,
            operations,
        })
    }

    /// Does all operations to `resource`, whose id is `id`.
    ///
    /// # Errors
    /// Whatever the first operation that cannot be done is refused with.
    pub fn apply(self, id: Id, resource: Object) -> Result<Patched, Refusal> {
        let mut patched = Patched {
            resource,
            members: MemberEdits::default(),
            comparisons: 0,
        };
        for operation in self.operations {
            patched.apply(self.resource_type, id, operation)?;
        }
        Ok(patched)
    }
}

impl Operation {
    fn parse(resource_type: &'static ResourceType, operation: Value) -> Result<Self, Refusal> {
        let syntax = |detail: String| Refusal::new(ScimType::InvalidSyntax, detail);
        let Value::Object(members) = operation else {
            return Err(syntax("an operation is not an object".to_owned()));
        };
        let (mut verb, mut path, mut value) = (None, None, Value::Null);
        for (name, member) in members {
            match (name.to_ascii_lowercase().as_str(), member) {
                ("op", Value::String(op)) => verb = Some(Verb::parse(&op)?),
                ("path", Value::String(text)) => path = Some(text),
                ("op" | "path", Value::Null) => {}
                ("op" | "path", _) => {
                    return Err(syntax(format!("{} is not a text", quoted(&name))));
                }
                ("value", member) => value = member,
                _ => {}
            }
        }
        let path = path.filter(|path| !path.is_empty());
        let path = path
            .map(|path| Path::parse(resource_type, &path))
            .transpose()?;
        Ok(Self {
            verb: verb.ok_or_else(|| syntax("an operation has no op".to_owned()))?,
            path,
            value,
        })
    }
}

impl Verb {
    /// Reads it in any case, as Entra writes it.
    fn parse(op: &str) -> Result<Self, Refusal> {
        let verbs = [
            ("add", Self::Add),
            ("replace", Self::Replace),
            ("remove", Self::Remove),
        ];
        let mut verbs = verbs.into_iter();
        let found = verbs.find(|(word, _)| op.eq_ignore_ascii_case(word));
        found.map(|(_, verb)| verb).ok_or_else(|| {
            let detail = format!("op is {} and not add, replace or remove", quoted(op));
            Refusal::new(ScimType::InvalidSyntax, detail)
        })
    }
}

impl Patched {
    /// Everything but members.
    #[must_use]
    pub fn resource(&self) -> &Object {
        &self.resource
    }

    fn apply(
        &mut self,
        resource_type: &'static ResourceType,
        id: Id,
        operation: Operation,
    ) -> Result<(), Refusal> {
        let Operation { verb, path, value } = operation;
        match path {
            Some(Path(Target::Extension(schema))) if verb == Verb::Remove => {
                self.resource.remove(schema.urn);
                Ok(())
            }
            Some(Path(Target::Extension(schema))) => {
                let value = Object::from_iter([(schema.urn.to_owned(), value)]);
                self.members_of(verb, id, resource_type, value)
            }
            Some(Path(target)) => self.at(verb, id, target, value),
            None if verb == Verb::Remove => {
                let detail = "an operation that removes has no path";
                Err(Refusal::new(ScimType::NoTarget, detail))
            }
            None => {
                let value = parts("the value of an operation without a path", value)?;
                self.members_of(verb, id, resource_type, value)
            }
        }
    }

    /// The members of a value without a path. What is not ours to take, or not theirs to change, is passed over:
    /// clients send whole resources so. A key that selects elements is no part of one, and is a path.
    fn members_of(
        &mut self,
        verb: Verb,
        id: Id,
        resource_type: &'static ResourceType,
        value: Object,
    ) -> Result<(), Refusal> {
        for one in said(resource_type, value)? {
            let is_selection = one.is_selection();
            let Said { key, named, value } = one;
            match named {
                Named::Foreign => {}
                _ if is_selection => {
                    let path = Path::parse(resource_type, &key);
                    let done = path.and_then(|Path(target)| self.at(verb, id, target, value));
                    done.map_err(|refusal| refusal.about(&key))?;
                }
                Named::Attribute(name) => {
                    let attribute = name.attribute;
                    let is_taken = is_kept(attribute) || is_members(attribute);
                    if is_taken || attribute.name == "id" {
                        let selection = None;
                        self.at(verb, id, Target::Attribute { name, selection }, value)?;
                    }
                }
                Named::Extension(_) | Named::Unknown => {}
            }
        }
        Ok(())
    }

    fn at(&mut self, verb: Verb, id: Id, target: Target, value: Value) -> Result<(), Refusal> {
        match target {
            Target::Foreign | Target::Extension(_) => Ok(()),
            Target::Attribute { name, selection } => {
                let attribute = name.attribute;
                if attribute.name == "id" && verb != Verb::Remove && value == id.to_string() {
                    return Ok(());
                }
                if attribute.mutability == Mutability::ReadOnly {
                    return Err(read_only(attribute.name));
                }
                if is_members(attribute) {
                    return self.members(verb, &name, selection.as_ref(), &value);
                }
                if !is_kept(attribute) {
                    return Ok(());
                }
                self.change(verb, &name, selection.as_ref(), value)
            }
        }
    }

    /// Changes an attribute that is kept, unless the request has made too much work already: each element that is
    /// there may be compared with each that comes, or by each term of a filter.
    fn change(
        &mut self,
        verb: Verb,
        name: &Name,
        selection: Option<&Expression>,
        value: Value,
    ) -> Result<(), Refusal> {
        let number = |value: &Value| value.as_array().map_or(1, Vec::len);
        let home = match name.extension {
            Some(schema) => self.resource.get(schema.urn),
            None => None,
        };
        let home = home.map_or(Some(&self.resource), Value::as_object);
        let old = home.and_then(|home| home.get(name.attribute.name));
        let factor = selection.map_or(number(&value), Expression::terms);
        let comparisons = old.map_or(1, number).saturating_mul(factor.max(1));
        self.comparisons = self.comparisons.saturating_add(comparisons);
        if self.comparisons > MAX_COMPARISONS {
            let detail = "the operations compare too many values; send fewer in one request";
            return Err(Refusal::of_status(413, detail));
        }
        attribute::change(&mut self.resource, verb, name, selection, value)
    }

    /// Members that are to be removed are named by a filter, or by the value; RFC 7644 has no meaning for the value,
    /// and would remove everybody.
    fn members(
        &mut self,
        verb: Verb,
        name: &Name,
        selection: Option<&Expression>,
        value: &Value,
    ) -> Result<(), Refusal> {
        let members = &mut self.members;
        match (verb, selection) {
            _ if name.part.is_some() => Err(read_only("what a member is")),
            (Verb::Remove, Some(filter)) => members.remove_matching(filter),
            (Verb::Remove, None) => match value {
                Value::Null => {
                    members.clear();
                    Ok(())
                }
                value => members.remove(value),
            },
            (Verb::Add | Verb::Replace, Some(_)) => Err(read_only("what a member is")),
            (Verb::Add, None) => members.add(value),
            (Verb::Replace, None) => {
                members.clear();
                members.add(value)
            }
        }
    }
}

fn read_only(name: &str) -> Refusal {
    Refusal::new(ScimType::Mutability, format!("{name} cannot be changed"))
}
