//! Reads tables key by key: collects what is wrong and goes on, so that one run tells every fault.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Faults;
use super::item::{Item, Value, has_tables};
use super::names::{self, Advice};

/// A table of the file whose keys are fixed; [`keys`] writes the implementation.
pub(super) trait Keys: Sized {
    /// How the file begins it: `[log]`, `[[provider]]`; empty for the file itself.
    const HEADER: &'static str;
    /// Its keys, in the order of the declaration.
    const KEYS: &'static [&'static str];

    /// Reads every key. `None` where a required one is missing or faulty, which has been told then.
    fn read_keys(table: &mut Table<'_, '_>) -> Option<Self>;
}

/// Declares a table: one row a key, `name: Type`, or `name: Type = default`, or `name: Type; required`.
///
/// The name of the field is the key, unless the row says `name as "key"`. Without a default the type's own
/// counts: `None`, `false`, nothing.
macro_rules! keys {
    (
        $(#[$about:meta])*
        $visible:vis struct $name:ident in $header:literal {$(
            $(#[$doc:meta])*
            $reach:vis $field:ident $(as $key:literal)?: $type:ty
                $(= $default:expr)? $(; $required:ident)?,
        )*}
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        $visible struct $name {
            $($(#[$doc])* $reach $field: $type,)*
            /// Where each key is written.
            pub(in crate::config) places: $crate::config::reader::Places,
        }

        impl $crate::config::reader::Keys for $name {
            const HEADER: &'static str = $header;
            const KEYS: &'static [&'static str] =
                &[$($crate::config::reader::key!($field $($key)?)),*];

            fn read_keys(table: &mut $crate::config::reader::Table<'_, '_>) -> Option<Self> {
                $(let $field = {
                    let key = $crate::config::reader::key!($field $($key)?);
                    $crate::config::reader::value!(table, key $(, = $default)? $(, $required)?)
                };)*
                Some(Self {
                    $($field: $field?,)*
                    places: table.places.clone(),
                })
            }
        }

        impl $crate::config::item::Value for $name {
            const IS_TABLE: bool = true;

            fn read(
                item: &$crate::config::item::Item<'_>,
                faults: &mut $crate::config::fault::Faults,
            ) -> Option<Self> {
                item.table(faults)
            }
        }
    };
}

macro_rules! key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

macro_rules! value {
    ($table:ident, $key:ident) => {
        Some($table.read($key).unwrap_or_default())
    };
    ($table:ident, $key:ident, = $default:expr) => {
        Some($table.read($key).unwrap_or_else(|| $default))
    };
    ($table:ident, $key:ident, required) => {
        $table.read_required($key)
    };
}

pub(super) use {key, keys, value};

/// Where the keys of one table are written. Two tables that say the same are equal wherever they say it.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// Where it begins.
    pub(super) head: usize,
    written: BTreeMap<&'static str, usize>,
    /// Keys about which something has been told already.
    unsound: BTreeSet<&'static str>,
}

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Places {
    /// Those of a table that is written in one line, at `offset`.
    pub(super) fn at(offset: usize) -> Self {
        Self {
            head: offset,
            ..Self::default()
        }
    }

    pub(super) fn of(&self, key: &str) -> Option<usize> {
        self.written.get(key).copied()
    }

    /// Whether nothing has been told about any of `keys`.
    pub(super) fn is_sound(&self, faults: &Faults, keys: &[&str]) -> bool {
        let is_sound = |key: &&str| !self.unsound.contains(key) && !faults.is_misplaced(key);
        keys.iter().all(is_sound)
    }

    /// Says that `keys` together are wrong if `is_broken`: at the last of them that is written, or else where
    /// the table begins. Nothing is said where one of them is known to be wrong by itself.
    pub(super) fn forbid(
        &self,
        faults: &mut Faults,
        keys: &[&str],
        is_broken: bool,
        sentence: impl Display,
    ) {
        if is_broken && self.is_sound(faults, keys) {
            let written = keys.iter().filter_map(|key| self.of(key)).max();
            faults.at(written.unwrap_or(self.head), sentence);
        }
    }

    /// The same of the file as a whole, where something is missing.
    pub(super) fn demand(
        &self,
        faults: &mut Faults,
        keys: &[&str],
        is_there: bool,
        sentence: impl Display,
    ) {
        if !is_there && self.is_sound(faults, keys) {
            faults.whole(sentence);
        }
    }
}

/// One table while it is read.
pub(super) struct Table<'a, 'f> {
    entries: &'a DeTable<'a>,
    faults: &'f mut Faults,
    pub(super) places: Places,
}

impl<'a, 'f> Table<'a, 'f> {
    pub(super) fn new<T: Keys>(
        head: usize,
        entries: &'a DeTable<'a>,
        faults: &'f mut Faults,
    ) -> Self {
        let mut table = Self {
            entries,
            faults,
            places: Places::at(head),
        };
        for key in T::KEYS {
            if let Some((written, _)) = entries.get_key_value(*key) {
                table.places.written.insert(key, written.span().start);
            }
        }
        for (key, value) in entries {
            if !T::KEYS.contains(&&**key.get_ref()) {
                table.refuse::<T>(key.get_ref(), key.span().start, value.get_ref());
            }
        }
        table
    }

    /// A key that is not ours.
    fn refuse<T: Keys>(&mut self, key: &str, at: usize, value: &DeValue<'_>) {
        let is_header = T::HEADER.is_empty() && value.is_table() || has_tables(value);
        let what = match T::HEADER {
            "" if is_header => format!("there is no table {key:?}"),
            "" => format!("there is no key {key:?}"),
            header => format!("{header} has no key {key:?}"),
        };
        match names::advice(key, T::KEYS) {
            Advice::Meant(meant) => {
                self.places.unsound.insert(meant);
                let shown = names::header(meant).filter(|_| is_header);
                let shown = shown.unwrap_or(meant);
                self.faults.at(at, format_args!("{what}; write {shown}"));
            }
            Advice::BelongsTo(headers) => {
                self.faults.misplace(key);
                let headers = headers
                    .into_iter()
                    .map(|header| match header {
                        "" => "above the first [table]".to_owned(),
                        header => format!("under {header}"),
                    })
                    .collect::<Vec<_>>();
                let headers = headers.join(" or ");
                self.faults
                    .at(at, format_args!("{what}; it belongs {headers}"));
            }
            Advice::Unknown => self.faults.at(
                at,
                format_args!("{what}; remove it: adapters/daemon/README.md lists its keys"),
            ),
        }
    }

    /// What the key holds; `None` where it is not written, or wrong.
    pub(super) fn read<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let value = self.entries.get(key)?;
        let before = self.faults.count();
        let read = T::read(&Item::new(key, value), self.faults);
        if read.is_none() || self.faults.count() > before {
            self.places.unsound.insert(key);
        }
        read
    }

    /// What the key holds that has to be written.
    pub(super) fn read_required<T: Value>(&mut self, key: &'static str) -> Option<T> {
        let is_told = self.places.unsound.contains(key) || self.faults.is_misplaced(key);
        if !is_told && !self.entries.contains_key(key) {
            self.faults.at(
                self.places.head,
                format_args!("{key}: it is missing here; write {key} = \"..\""),
            );
        }
        self.read(key)
    }
}

/// Reads the whole file.
pub(super) fn read_file<T: Keys>(root: &Spanned<DeTable<'_>>, faults: &mut Faults) -> Option<T> {
    T::read_keys(&mut Table::new::<T>(0, root.get_ref(), faults))
}

/// What a table without any key says, where none is required.
pub(super) fn empty<T: Keys>() -> T {
    let entries = DeTable::new();
    let mut faults = Faults::new("");
    T::read_keys(&mut Table::new::<T>(0, &entries, &mut faults)).expect("no key is required")
}

impl Item<'_> {
    /// A table with fixed keys.
    pub(super) fn table<T: Keys>(&self, faults: &mut Faults) -> Option<T> {
        let header = T::HEADER;
        match self.value {
            DeValue::Table(entries) => T::read_keys(&mut Table::new::<T>(self.at, entries, faults)),
            value if has_tables(value) => {
                let again = self.list().into_iter().nth(1);
                let at = again.map_or(self.at, |item| item.at);
                faults.at(at, format_args!("write {header}, once: there is only one"));
                None
            }
            _ => self.refuse(faults, format_args!("write a table, {header}")),
        }
    }
}
