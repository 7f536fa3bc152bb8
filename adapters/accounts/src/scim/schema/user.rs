//! The User schema (RFC 7643 sections 4.1 and 8.7.1).

use super::{Attribute, Mutability, Returned, Schema, Type};

/// Users.
pub static USER: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "User Account",
    attributes: ATTRIBUTES,
};

static ATTRIBUTES: &[Attribute] = &[
    Attribute::text(
        "userName",
        "The name by which the user logs in, unique within the source without regard to case. If it is an address in \
         one of our domains, it is the user's mailbox.",
    )
    .required()
    .unique("server"),
    Attribute::complex("name", NAME, "The parts of the user's name."),
    Attribute::text("displayName", "The name to show."),
    Attribute::text("nickName", "What the user is called."),
    Attribute::reference("profileUrl", &["external"], "The URL of the user's profile."),
    Attribute::text("title", "The user's title, such as Vice President."),
    Attribute::text("userType", "What the user is to the organisation, such as Contractor."),
    Attribute::text("preferredLanguage", "The languages that the user prefers, as in Accept-Language."),
    Attribute::text("locale", "The user's locale, such as en-US."),
    Attribute::text("timezone", "The user's time zone, such as Europe/Paris."),
    Attribute::boolean("active", "Whether the user may log in."),
    Attribute::text("password", "Accepted, and neither kept nor returned: logins are the provider's.")
        .mutability(Mutability::WriteOnly)
        .returned(Returned::Never),
    Attribute::complex(
        "emails",
        EMAILS,
        "Mail addresses. Those in our domains are the user's mailbox and its aliases.",
    )
    .multi(),
    Attribute::complex("phoneNumbers", PHONE_NUMBERS, "Phone numbers.").multi(),
    Attribute::complex("ims", IMS, "Addresses for instant messages.").multi(),
    Attribute::complex("photos", PHOTOS, "URLs of photos.").multi(),
    Attribute::complex("addresses", ADDRESSES, "Postal addresses.").multi(),
    Attribute::complex("groups", GROUPS, "The groups that the user is in.")
        .multi()
        .read_only(),
    Attribute::complex("entitlements", VALUES, "What the user is entitled to.").multi(),
    Attribute::complex("roles", VALUES, "The user's roles.").multi(),
    Attribute::complex("x509Certificates", CERTIFICATES, "The user's certificates.").multi(),
];

static NAME: &[Attribute] = &[
    Attribute::text("formatted", "The whole name."),
    Attribute::text("familyName", "The family name."),
    Attribute::text("givenName", "The given name."),
    Attribute::text("middleName", "The middle names."),
    Attribute::text(
        "honorificPrefix",
        "What stands before the name, such as Ms.",
    ),
    Attribute::text(
        "honorificSuffix",
        "What stands behind the name, such as III.",
    ),
];

const DISPLAY: Attribute = Attribute::text("display", "The value for people to read.");
const KIND: Attribute = Attribute::text("type", "What the value is for.");
const PRIMARY: Attribute =
    Attribute::boolean("primary", "Whether it is preferred; at most one is.");
const WORK: &[&str] = &["work", "home", "other"];

static EMAILS: &[Attribute] = &[
    Attribute::text("value", "The address."),
    DISPLAY,
    KIND.canonical(WORK),
    PRIMARY,
];

static PHONE_NUMBERS: &[Attribute] = &[
    Attribute::text("value", "The number, as a tel URI or otherwise."),
    DISPLAY,
    KIND.canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];

static IMS: &[Attribute] = &[
    Attribute::text("value", "The address."),
    DISPLAY,
    KIND.canonical(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    PRIMARY,
];

static PHOTOS: &[Attribute] = &[
    Attribute::reference("value", &["external"], "The URL."),
    DISPLAY,
    KIND.canonical(&["photo", "thumbnail"]),
    PRIMARY,
];

static ADDRESSES: &[Attribute] = &[
    Attribute::text("formatted", "The whole address."),
    Attribute::text("streetAddress", "Street and number."),
    Attribute::text("locality", "The city."),
    Attribute::text("region", "The state or region."),
    Attribute::text("postalCode", "The postal code."),
    Attribute::text("country", "The country's code (ISO 3166-1 alpha-2)."),
    KIND.canonical(WORK),
    PRIMARY,
];

static GROUPS: &[Attribute] = &[
    Attribute::text("value", "The group's id.")
        .case_exact()
        .read_only(),
    Attribute::reference("$ref", &["User", "Group"], "The group's URL.").read_only(),
    Attribute::text("display", "The group's name.").read_only(),
    Attribute::text("type", "Whether the user is in it, or in a group in it.")
        .canonical(&["direct", "indirect"])
        .read_only(),
];

static VALUES: &[Attribute] = &[
    Attribute::text("value", "The value."),
    DISPLAY,
    KIND,
    PRIMARY,
];

static CERTIFICATES: &[Attribute] = &[
    Attribute::new("value", Type::Binary, "The certificate: DER in base64.").case_exact(),
    DISPLAY,
    KIND,
    PRIMARY,
];
