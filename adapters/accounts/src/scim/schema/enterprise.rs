//! The Enterprise User extension (RFC 7643 sections 4.3 and 8.7.1).

use super::{Attribute, Schema};

/// What an organisation knows of a user.
pub static ENTERPRISE_USER: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    description: "Enterprise User",
    attributes: &[
        Attribute::text("employeeNumber", "The user's number at the organisation."),
        Attribute::text("costCenter", "The cost center."),
        Attribute::text("organization", "The organisation."),
        Attribute::text("division", "The division."),
        Attribute::text("department", "The department."),
        Attribute::complex("manager", MANAGER, "The user's manager."),
    ],
};

static MANAGER: &[Attribute] = &[
    Attribute::text("value", "The id of the manager's own resource.").case_exact(),
    Attribute::reference("$ref", &["User"], "The URL of the manager's own resource."),
    Attribute::text("displayName", "The manager's name.").read_only(),
];
