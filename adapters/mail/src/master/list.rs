//! `LIST`: the names of all users, in pieces as long as a client takes them.

use super::{Asked, HIGH_WATER, Master};
use crate::line::{escape, unescape, value};
use crate::users::{Directory, Names, Users};

/// A list of which a part has been told.
pub(super) struct Listing {
    pub(super) id: u32,
    mask: String,
    /// What the client asked.
    line: Vec<u8>,
    names: Box<dyn Names>,
}

/// Who else has users.
#[derive(Clone, Copy)]
pub(super) struct Others<'o> {
    pub(super) directory: Option<&'o dyn Directory>,
    pub(super) users: Option<&'o Users>,
    pub(super) has_upstream: bool,
}

impl Master {
    /// Whether a list has begun that is not told whole: nothing else may be taken. Go on with
    /// [`go_on`](Self::go_on).
    #[must_use]
    pub fn is_listing(&self) -> bool {
        self.listing.is_some()
    }

    /// Tells more of a list that has begun, from the same places as the line that asked for it.
    pub fn go_on(&mut self, users: Option<&Users>, has_upstream: bool, directory: &dyn Directory) {
        self.list_on(Others {
            directory: Some(directory),
            users,
            has_upstream,
        });
    }

    pub(super) fn list(&mut self, id: u32, (words, line): (&[&[u8]], &[u8]), others: Others<'_>) {
        let mask = words.iter().find_map(|field| value(field, "user"));
        let mask = mask.and_then(unescape).unwrap_or_else(|| "*".to_owned());
        let Some(directory) = others.directory else {
            return self.list_rest((id, &mask, line), others);
        };
        self.listing = Some(Listing {
            id,
            names: directory.matching(&mask),
            mask,
            line: line.to_vec(),
        });
        self.list_on(others);
    }

    fn list_on(&mut self, others: Others<'_>) {
        while self.client.len() < HIGH_WATER
            && let Some(mut listing) = self.listing.take()
        {
            let id = listing.id;
            match listing.names.next() {
                Err(_) => self.answer(b"DONE", id, &[b"fail".to_vec()]),
                Ok(names) if names.is_empty() => {
                    self.list_rest((id, &listing.mask, &listing.line), others);
                }
                Ok(names) => {
                    for name in names {
                        self.answer(b"LIST", id, &[escape(&name)]);
                    }
                    self.listing = Some(listing);
                }
            }
        }
    }

    /// Tells the users of a file, or asks Dovecot for its own.
    fn list_rest(&mut self, (id, mask, line): (u32, &str, &[u8]), others: Others<'_>) {
        let Some(users) = others.users else {
            if others.has_upstream || others.directory.is_none() {
                return self.ask(id, Asked::List, line, others.has_upstream);
            }
            return self.answer(b"DONE", id, &[]);
        };
        let Some(names) = users.matching(mask) else {
            return self.answer(b"DONE", id, &[b"fail".to_vec()]);
        };
        for name in names {
            let found = others.directory.map(|directory| directory.find(name));
            if !matches!(found, Some(Ok(Some(_)))) {
                self.answer(b"LIST", id, &[escape(name)]);
            }
        }
        self.answer(b"DONE", id, &[]);
    }
}
