//! Our own extension of users: what a mailbox has and no other schema says.

use super::{Attribute, Schema, Type};

/// What a user's mailbox has.
pub static MAIL_USER: Schema = Schema {
    urn: "urn:gatepost:params:scim:schemas:extension:mail:2.0:User",
    name: "MailUser",
    description: "What a user's mailbox has",
    attributes: &[
        Attribute::new(
            "quota",
            Type::Integer,
            "How many bytes the mailbox may hold; with 0 as many as there is room for.",
        ),
        Attribute::text(
            "forwarding",
            "Mail addresses that get a copy of the user's mail.",
        )
        .multi(),
    ],
};
