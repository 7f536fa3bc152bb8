//! The schemas of what describes the service itself (RFC 7643 sections 5 to 7 and 8.7.2).

use super::{Attribute, Schema, Type};

/// What the service can do.
pub static SERVICE_PROVIDER_CONFIG: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
    name: "Service Provider Configuration",
    description: "Schema for representing the service provider's configuration",
    attributes: &[
        Attribute::reference("documentationUri", &["external"], "Where it is documented.")
            .read_only(),
        Attribute::complex("patch", SUPPORTED, "PATCH.")
            .required()
            .read_only(),
        Attribute::complex("bulk", BULK, "Bulk requests.")
            .required()
            .read_only(),
        Attribute::complex("filter", FILTER, "Filters.")
            .required()
            .read_only(),
        Attribute::complex("changePassword", SUPPORTED, "Changes of passwords.")
            .required()
            .read_only(),
        Attribute::complex("sort", SUPPORTED, "Sorting.")
            .required()
            .read_only(),
        Attribute::complex("etag", SUPPORTED, "Entity tags.")
            .required()
            .read_only(),
        Attribute::complex(
            "authenticationSchemes",
            AUTHENTICATION_SCHEMES,
            "How clients authenticate.",
        )
        .multi()
        .required()
        .read_only(),
    ],
};

const IS_SUPPORTED: Attribute = Attribute::boolean("supported", "Whether it is supported.")
    .required()
    .read_only();

static SUPPORTED: &[Attribute] = &[IS_SUPPORTED];

static BULK: &[Attribute] = &[
    IS_SUPPORTED,
    Attribute::new(
        "maxOperations",
        Type::Integer,
        "Most operations of a request.",
    )
    .required()
    .read_only(),
    Attribute::new("maxPayloadSize", Type::Integer, "Most bytes of a request.")
        .required()
        .read_only(),
];

static FILTER: &[Attribute] = &[
    IS_SUPPORTED,
    Attribute::new("maxResults", Type::Integer, "Most resources of an answer.")
        .required()
        .read_only(),
];

static AUTHENTICATION_SCHEMES: &[Attribute] = &[
    Attribute::text("type", "The scheme.")
        .required()
        .read_only()
        .canonical(&[
            "oauth",
            "oauth2",
            "oauthbearertoken",
            "httpbasic",
            "httpdigest",
        ]),
    Attribute::text("name", "Its name.").required().read_only(),
    Attribute::text("description", "What it is.")
        .required()
        .read_only(),
    Attribute::reference("specUri", &["external"], "Where it is specified.").read_only(),
    Attribute::reference("documentationUri", &["external"], "Where it is documented.").read_only(),
    Attribute::boolean("primary", "Whether it is preferred.").read_only(),
];

/// What a resource type is.
pub static RESOURCE_TYPE: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:ResourceType",
    name: "ResourceType",
    description: "Specifies the schema that describes a SCIM resource type",
    attributes: &[
        Attribute::text("id", "Its id.").read_only(),
        Attribute::text("name", "Its name.").required().read_only(),
        Attribute::text("description", "What it is for.").read_only(),
        Attribute::reference("endpoint", &["uri"], "Where its resources are.")
            .required()
            .read_only(),
        Attribute::reference("schema", &["uri"], "Its schema.")
            .required()
            .read_only(),
        Attribute::complex("schemaExtensions", EXTENSIONS, "What may be added.")
            .multi()
            .read_only(),
    ],
};

static EXTENSIONS: &[Attribute] = &[
    Attribute::reference("schema", &["uri"], "The schema of the extension.")
        .required()
        .read_only(),
    Attribute::boolean("required", "Whether every resource has it.")
        .required()
        .read_only(),
];

/// What a schema is.
pub static SCHEMA: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Schema",
    name: "Schema",
    description: "Specifies the schema that describes a SCIM schema",
    attributes: &[
        Attribute::reference("id", &["uri"], "Its URN.")
            .required()
            .read_only(),
        Attribute::text("name", "Its name.").required().read_only(),
        Attribute::text("description", "What it is for.").read_only(),
        Attribute::complex("attributes", ATTRIBUTES, "Its attributes.")
            .multi()
            .required()
            .read_only(),
    ],
};

const NAME: Attribute = Attribute::text("name", "Its name.")
    .required()
    .case_exact()
    .read_only();
const TYPE: Attribute = Attribute::text("type", "What its values are.")
    .required()
    .read_only()
    .canonical(&[
        "string",
        "complex",
        "boolean",
        "decimal",
        "integer",
        "dateTime",
        "reference",
        "binary",
    ]);
const MULTI: Attribute = Attribute::boolean("multiValued", "Whether it has several.")
    .required()
    .read_only();
const DESCRIPTION: Attribute = Attribute::text("description", "What it is for.").read_only();
const REQUIRED: Attribute =
    Attribute::boolean("required", "Whether a resource must have it.").read_only();
const CANONICAL: Attribute = Attribute::text("canonicalValues", "Values that are usual.")
    .multi()
    .read_only();
const CASE_EXACT: Attribute = Attribute::boolean("caseExact", "Whether case counts.").read_only();
const MUTABILITY: Attribute = Attribute::text("mutability", "Who may change it.")
    .read_only()
    .canonical(&["readOnly", "readWrite", "immutable", "writeOnly"]);
const RETURNED: Attribute = Attribute::text("returned", "When it is shown.")
    .read_only()
    .canonical(&["always", "never", "default", "request"]);
const UNIQUENESS: Attribute = Attribute::text("uniqueness", "Whether no two may have the same.")
    .read_only()
    .canonical(&["none", "server", "global"]);
const REFERENCES: Attribute = Attribute::text("referenceTypes", "What it refers to.")
    .multi()
    .read_only();

static ATTRIBUTES: &[Attribute] = &[
    NAME,
    TYPE,
    MULTI,
    DESCRIPTION,
    REQUIRED,
    CANONICAL,
    CASE_EXACT,
    MUTABILITY,
    RETURNED,
    UNIQUENESS,
    REFERENCES,
    Attribute::complex("subAttributes", PARTS, "Its parts.")
        .multi()
        .read_only(),
];

static PARTS: &[Attribute] = &[
    NAME,
    TYPE,
    MULTI,
    DESCRIPTION,
    REQUIRED,
    CANONICAL,
    CASE_EXACT,
    MUTABILITY,
    RETURNED,
    UNIQUENESS,
    REFERENCES,
];
