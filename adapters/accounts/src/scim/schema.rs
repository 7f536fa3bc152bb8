//! The schema table (RFC 7643): what a user and a group may hold, and how each attribute is compared, kept and shown.
//!
//! The schemas are published whole. Some clients build their own model from what is listed, and send nothing if an
//! attribute is missing that they would fill.

mod common;
mod enterprise;
mod group;
mod mail;
mod service;
mod user;

use crate::model::Kind;

pub use common::COMMON;
pub use enterprise::ENTERPRISE_USER;
pub use group::GROUP;
pub use mail::MAIL_USER;
pub use service::{RESOURCE_TYPE, SCHEMA, SERVICE_PROVIDER_CONFIG};
pub use user::USER;

/// One schema.
#[derive(Debug)]
pub struct Schema {
    /// Its URN.
    pub urn: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Its attributes.
    pub attributes: &'static [Attribute],
}

/// One attribute, or a part of one (RFC 7643 section 7).
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What its values are.
    pub value: Type,
    /// Whether it has several.
    pub is_multi: bool,
    /// What it is for.
    pub description: &'static str,
    /// Whether a resource must have it.
    pub is_required: bool,
    /// Whether case counts when it is compared.
    pub is_case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// When it is shown.
    pub returned: Returned,
    /// Whether no two may have the same: `none`, `server` or `global`.
    pub uniqueness: &'static str,
    /// Values that are usual.
    pub canonical: &'static [&'static str],
    /// What it refers to.
    pub references: &'static [&'static str],
    /// Its parts, if it is complex.
    pub parts: &'static [Attribute],
}

/// The type of a value (RFC 7643 section 2.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// Text.
    Text,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A point in time.
    DateTime,
    /// Bytes, in base64.
    Binary,
    /// A URI, or the id of a resource.
    Reference,
    /// Parts.
    Complex,
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mutability {
    /// We alone.
    ReadOnly,
    /// The client.
    ReadWrite,
    /// The client, once.
    Immutable,
    /// The client, who never sees it again.
    WriteOnly,
}

/// When an attribute is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Returned {
    /// Whatever was asked for.
    Always,
    /// Not even where it is asked for.
    Never,
    /// Unless other attributes are asked for.
    Default,
}

impl Attribute {
    /// One that is nothing and has no parts.
    pub(crate) const NOTHING: Self = Self::text("", "");

    const fn new(name: &'static str, value: Type, description: &'static str) -> Self {
        Self {
            name,
            value,
            is_multi: false,
            description,
            is_required: false,
            is_case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            uniqueness: "none",
            canonical: &[],
            references: &[],
            parts: &[],
        }
    }

    const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Type::Text, description)
    }

    const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Type::Boolean, description)
    }

    const fn reference(
        name: &'static str,
        references: &'static [&'static str],
        description: &'static str,
    ) -> Self {
        let mut attribute = Self::new(name, Type::Reference, description).case_exact();
        attribute.references = references;
        attribute
    }

    const fn complex(
        name: &'static str,
        parts: &'static [Attribute],
        description: &'static str,
    ) -> Self {
        let mut attribute = Self::new(name, Type::Complex, description);
        attribute.parts = parts;
        attribute
    }

    const fn multi(mut self) -> Self {
        self.is_multi = true;
        self
    }

    const fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    const fn case_exact(mut self) -> Self {
        self.is_case_exact = true;
        self
    }

    const fn mutability(mut self, mutability: Mutability) -> Self {
        self.mutability = mutability;
        self
    }

    const fn read_only(self) -> Self {
        self.mutability(Mutability::ReadOnly)
    }

    const fn returned(mut self, returned: Returned) -> Self {
        self.returned = returned;
        self
    }

    const fn unique(mut self, uniqueness: &'static str) -> Self {
        self.uniqueness = uniqueness;
        self
    }

    const fn canonical(mut self, canonical: &'static [&'static str]) -> Self {
        self.canonical = canonical;
        self
    }

    /// The part of that name, in any case.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&'static Attribute> {
        find(self.parts, name)
    }
}

/// The attribute of that name, in any case.
#[must_use]
pub fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    let mut attributes = attributes.iter();
    attributes.find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// What is provisioned at an endpoint.
#[derive(Debug)]
pub struct ResourceType {
    /// What it is here.
    pub kind: Kind,
    /// Its name.
    pub name: &'static str,
    /// Where it is.
    pub endpoint: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Its schema.
    pub schema: &'static Schema,
    /// What may be added to it.
    pub extensions: &'static [&'static Schema],
}

/// Users.
pub static USERS: ResourceType = ResourceType {
    kind: Kind::Account,
    name: "User",
    endpoint: "/Users",
    description: "User Account",
    schema: &USER,
    extensions: &[&ENTERPRISE_USER, &MAIL_USER],
};

/// Groups.
pub static GROUPS: ResourceType = ResourceType {
    kind: Kind::Group,
    name: "Group",
    endpoint: "/Groups",
    description: "Group",
    schema: &GROUP,
    extensions: &[],
};

/// Every schema that is published.
pub static SCHEMAS: [&Schema; 7] = [
    &USER,
    &GROUP,
    &ENTERPRISE_USER,
    &MAIL_USER,
    &SERVICE_PROVIDER_CONFIG,
    &RESOURCE_TYPE,
    &SCHEMA,
];

impl ResourceType {
    /// The type of that kind.
    #[must_use]
    pub fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Account => &USERS,
            Kind::Group => &GROUPS,
        }
    }

    /// The attribute of that name, in any case, of the core schema or of all resources.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        find(self.schema.attributes, name).or_else(|| find(COMMON, name))
    }

    /// The extension of that URN, in any case.
    #[must_use]
    pub fn extension(&self, urn: &str) -> Option<&'static Schema> {
        let mut extensions = self.extensions.iter().copied();
        extensions.find(|schema| schema.urn.eq_ignore_ascii_case(urn))
    }
}
