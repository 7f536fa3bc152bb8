//! Claims that an administrator names: what they have to hold.

use super::{
    Claim, Violation,
    members::Members,
    rules::{RuleOutcome, met},
};
use crate::wire::json::Value;

/// A claim that says whether an account is active.
#[derive(Clone, Copy, Debug)]
pub struct Active<'p> {
    /// Path of the claim.
    pub claim: &'p str,
    /// Its value as text (`true`, `1`, `"yes"`); `None` where it only has to be there.
    pub value: Option<&'p str>,
}

/// A claim that a token must have: a group, a role, or whatever else says that its user may use mail.
#[derive(Clone, Copy, Debug)]
pub struct Requirement<'p> {
    /// Path of the claim: `groups`, or `realm_access.roles`.
    pub claim: &'p str,
    /// Of these one has to be its value as text, an element where it is an array, or the name of a member
    /// where it is an object.
    pub any_of: &'p [&'p str],
}

impl Active<'_> {
    pub(super) fn judge(self, members: &Members<'_, '_>) -> Result<RuleOutcome, Violation> {
        let Some(value) = members.at(self.claim) else {
            return Ok(RuleOutcome::Absent);
        };
        let is_active = match (self.value, value) {
            (None, _) => true,
            (Some(_), Value::Array(_) | Value::Object(_)) => {
                return Err(Violation::MalformedClaim(Claim::Active));
            }
            (Some(wanted), value) => is_text(value, wanted),
        };
        met(is_active, Violation::Inactive)
    }
}

impl Requirement<'_> {
    /// Held by a scalar, by an element of an array, or by the name of an object's member, as Zitadel writes
    /// roles. What one answer does not hold another may.
    pub(super) fn judge(&self, members: &Members<'_, '_>) -> Result<RuleOutcome, Violation> {
        let is_any = |value| self.any_of.iter().any(|wanted| is_text(value, wanted));
        let mut is_held = false;
        match members.at(self.claim) {
            None => {}
            Some(Value::Array(array)) => {
                for item in array.items() {
                    is_held |= is_any(item.map_err(|_| Violation::Malformed)?);
                }
            }
            Some(Value::Object(object)) => {
                for member in object.members() {
                    let (name, value) = member.map_err(|_| Violation::Malformed)?;
                    let is_set = !matches!(value, Value::Null | Value::Bool(false));
                    is_held |= is_set && self.any_of.iter().any(|wanted| name == **wanted);
                }
            }
            Some(value) => is_held = is_any(value),
        }
        Ok(if is_held {
            RuleOutcome::Met
        } else {
            RuleOutcome::Absent
        })
    }
}

/// Whether a scalar reads as `wanted`: `true`, `1`, `yes`.
fn is_text(value: Value<'_>, wanted: &str) -> bool {
    match value {
        Value::Bool(flag) => wanted == if flag { "true" } else { "false" },
        Value::Number(number) => number.as_str() == wanted,
        Value::String(text) => text == *wanted,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}
