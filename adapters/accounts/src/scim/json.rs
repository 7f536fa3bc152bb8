//! JSON of a request's body: bounded, and without two members of one name.
//!
//! Names of attributes have no case (RFC 7643 section 2.1), so neither have they here: `active` and `Active` in one
//! object are one name twice, and taking either would be a guess.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::limits::{MAX_BODY, MAX_DEPTH, MAX_VALUES};
use super::refusal::{Refusal, ScimType, quoted};

/// Reads a body that is an object.
///
/// # Errors
/// 413 where it is too large; else `invalidSyntax`.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    if body.len() > MAX_BODY {
        let detail = format!("the body is longer than {MAX_BODY} bytes; send less in one request");
        return Err(Refusal::of_status(413, detail));
    }
    let budget = Budget {
        values: Cell::new(MAX_VALUES),
        fault: Cell::new(None),
    };
    let seed = Seed {
        budget: &budget,
        depth: MAX_DEPTH,
    };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = seed.deserialize(&mut reader);
    let value = read.and_then(|value| reader.end().map(|()| value));
    match (budget.fault.take(), value) {
        (Some(Fault::TooMany), _) => {
            let detail =
                format!("the body has more than {MAX_VALUES} values; send less in one request");
            Err(Refusal::of_status(413, detail))
        }
        (Some(fault), _) => Err(syntax(fault.to_string())),
        (None, Ok(Value::Object(object))) => Ok(object),
        (None, Ok(_)) => Err(syntax("the body is not a JSON object".to_owned())),
        // What serde says may quote a value, which may be a password.
        (None, Err(error)) => Err(syntax(format!(
            "the body is not JSON: line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}

fn syntax(detail: String) -> Refusal {
    Refusal::new(ScimType::InvalidSyntax, detail)
}

/// What our own rules find in JSON that is well made.
enum Fault {
    TooDeep,
    TooMany,
    Twice(String),
    Nul,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep => write!(f, "the body is nested more than {MAX_DEPTH} levels deep"),
            Self::TooMany => write!(f, "the body has more than {MAX_VALUES} values"),
            Self::Twice(name) => write!(f, "{} occurs twice in one object", quoted(name)),
            Self::Nul => f.write_str("a text contains the character NUL"),
        }
    }
}

/// What is left of the bounds, and what broke one.
struct Budget {
    values: Cell<usize>,
    fault: Cell<Option<Fault>>,
}

#[derive(Clone, Copy)]
struct Seed<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Seed<'_> {
    fn fail<T, E: serde::de::Error>(&self, fault: Fault) -> Result<T, E> {
        let error = E::custom(&fault);
        self.budget.fault.set(Some(fault));
        Err(error)
    }

    /// For what is inside of an array or an object.
    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => self.fail(Fault::TooDeep),
        }
    }

    fn text<E: serde::de::Error>(self, text: String) -> Result<String, E> {
        if text.contains('\0') {
            return self.fail(Fault::Nul);
        }
        Ok(text)
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.budget.values.get().checked_sub(1) {
            Some(left) => self.budget.values.set(left),
            None => return self.fail(Fault::TooMany),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("a number out of range"))?;
        Ok(Value::Number(number))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(self.text(value)?))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(inner)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let (mut object, mut names) = (Map::new(), HashSet::new());
        while let Some(name) = members.next_key::<String>()? {
            let name = self.text(name)?;
            if !names.insert(name.to_ascii_lowercase()) {
                return self.fail(Fault::Twice(name));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, expected: &str) {
        let refusal = object(body.as_bytes()).unwrap_err();
        assert!(refusal.detail.contains(expected), "{refusal}");
    }

    #[test]
    fn a_name_occurs_once_in_any_case() {
        check(r#"{"active":true,"active":false}"#, "active occurs twice");
        check(r#"{"name":{"a":1,"\u0041":2}}"#, "A occurs twice");
        assert!(object(br#"{"a":{"a":1},"b":{"a":1}}"#).is_ok());
    }

    #[test]
    fn a_body_is_bounded() {
        let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert!(object(deep(MAX_DEPTH).as_bytes()).is_ok());
        check(&deep(MAX_DEPTH + 1), "levels deep");
        check(&"[".repeat(1_000_000), "levels deep");
        let many = format!("{{\"a\":[{}1]}}", "1,".repeat(MAX_VALUES));
        assert_eq!(object(many.as_bytes()).unwrap_err().status, 413);
        let long = vec![b' '; MAX_BODY + 1];
        assert_eq!(object(&long).unwrap_err().status, 413);
    }

    #[test]
    fn what_is_no_json_object_is_refused_without_its_values() {
        for body in [
            "",
            "[]",
            "null",
            "\"a\"",
            "{\"a\":1}x",
            "{\"password\":\"secret}",
            "{\"a\":\"\u{1}\"}",
        ] {
            let refusal = object(body.as_bytes()).unwrap_err();
            assert_eq!(refusal.scim_type, Some(ScimType::InvalidSyntax), "{body}");
            assert!(!refusal.detail.contains("secret"), "{refusal}");
        }
        check("{\"a\":\"\\u0000\"}", "NUL");
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
        assert!(object(br#"{"a":"\ud800"}"#).is_err());
    }
}
