//! What every resource has (RFC 7643 section 3.1).

use super::{Attribute, Returned, Type};

/// `schemas`, `id`, `externalId` and `meta`, which no schema lists.
pub static COMMON: &[Attribute] = &[
    Attribute::reference("schemas", &["uri"], "The schemas of the resource.")
        .multi()
        .required()
        .returned(Returned::Always),
    Attribute::text("id", "What we call the resource, for ever.")
        .case_exact()
        .read_only()
        .returned(Returned::Always)
        .unique("global"),
    Attribute::text("externalId", "What the client calls the resource.").case_exact(),
    Attribute::complex("meta", META, "What we know of the resource itself.").read_only(),
];

static META: &[Attribute] = &[
    Attribute::text("resourceType", "The name of its type.")
        .case_exact()
        .read_only(),
    Attribute::new("created", Type::DateTime, "When it was created.").read_only(),
    Attribute::new("lastModified", Type::DateTime, "When it changed last.").read_only(),
    Attribute::reference("location", &["uri"], "Its URL.").read_only(),
    Attribute::text("version", "Its entity tag.")
        .case_exact()
        .read_only(),
];
