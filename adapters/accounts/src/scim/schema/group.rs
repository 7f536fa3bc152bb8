//! The Group schema (RFC 7643 sections 4.2 and 8.7.1).

use super::{Attribute, Mutability, Schema};

/// Groups.
pub static GROUP: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    description: "Group",
    attributes: &[
        Attribute::text(
            "displayName",
            "The group's name, unique within the source without regard to case.",
        )
        .required()
        .unique("server"),
        Attribute::complex("members", MEMBERS, "What is in the group.").multi(),
    ],
};

static MEMBERS: &[Attribute] = &[
    Attribute::text("value", "The member's id.")
        .case_exact()
        .mutability(Mutability::Immutable),
    Attribute::reference("$ref", &["User", "Group"], "The member's URL.")
        .mutability(Mutability::Immutable),
    Attribute::text("type", "What the member is.")
        .canonical(&["User", "Group"])
        .mutability(Mutability::Immutable),
    // Some clients raise, and send nothing, where a part is missing that they fill.
    Attribute::text("display", "The member's name; not kept.").read_only(),
];
