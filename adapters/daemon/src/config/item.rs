//! One value of the file, and what can be read from it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use super::fault::Faults;
use super::names;

/// What can stand behind a `=`.
pub(super) trait Value: Sized {
    /// Whether it is written as a table with a header.
    const IS_TABLE: bool = false;

    /// Reads it. `None` says that something is wrong, which has been told then.
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self>;
}

/// A value, and where it stands.
pub(super) struct Item<'a> {
    /// The key that it is written behind.
    pub(super) key: &'a str,
    pub(super) value: &'a DeValue<'a>,
    /// Where it begins in the text.
    pub(super) at: usize,
    is_in_list: bool,
}

impl<'a> Item<'a> {
    pub(super) fn new(key: &'a str, value: &'a Spanned<DeValue<'a>>) -> Self {
        Self {
            key,
            value: value.get_ref(),
            at: value.span().start,
            is_in_list: false,
        }
    }

    /// Tells that it is wrong, and what to write instead; `None` for the caller to return.
    pub(super) fn refuse<T>(&self, faults: &mut Faults, sentence: impl Display) -> Option<T> {
        faults.at(self.at, format_args!("{}: {sentence}", self.key));
        None
    }

    /// The values of a list, or the only one that stands there without brackets.
    pub(super) fn list(&self) -> Vec<Item<'a>> {
        let one = |value: &'a Spanned<DeValue<'a>>| Item {
            is_in_list: true,
            ..Item::new(self.key, value)
        };
        match self.value {
            DeValue::Array(values) => values.iter().map(one).collect(),
            value => vec![Item { value, ..*self }],
        }
    }

    /// The text.
    pub(super) fn text(&self, faults: &mut Faults) -> Option<&'a str> {
        let key = self.key;
        let written = match self.value {
            DeValue::String(text) => return Some(text),
            DeValue::Array(_) => return self.refuse(faults, "write one text, not a list"),
            DeValue::Table(_) => return self.refuse(faults, "write text, not a table"),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(word) => word.to_string(),
            DeValue::Datetime(time) => time.to_string(),
        };
        if !names::may_be_shown(key) {
            return self.refuse(faults, "write it in quotes");
        }
        let before = if self.is_in_list {
            String::new()
        } else {
            format!("{key} = ")
        };
        self.refuse(
            faults,
            format_args!("write it in quotes: {before}\"{written}\""),
        )
    }

    /// What `parse` makes of the text.
    pub(super) fn parse<T, E: Display>(
        &self,
        faults: &mut Faults,
        parse: impl FnOnce(String) -> Result<T, E>,
    ) -> Option<T> {
        match parse(self.text(faults)?.to_owned()) {
            Ok(value) => Some(value),
            Err(sentence) => self.refuse(faults, sentence),
        }
    }
}

pub(super) fn has_tables(value: &DeValue<'_>) -> bool {
    let tables = value.as_array();
    tables.is_some_and(|list| list.iter().any(|item| item.get_ref().is_table()))
}

impl<T: Value> Value for Option<T> {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        T::read(item, faults).map(Some)
    }
}

/// A list. One value may be written without brackets; what is wrong with one of them leaves the others.
impl<T: Value> Value for Vec<T> {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        if !T::IS_TABLE && item.value.is_table() {
            return item.refuse(faults, "write a list, not a table");
        }
        let items = item.list().into_iter();
        Some(items.filter_map(|item| T::read(&item, faults)).collect())
    }
}

/// A table whose keys are free.
impl<K: TryFrom<String, Error: Display> + Ord, T: Value> Value for BTreeMap<K, T> {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        let key = item.key;
        let DeValue::Table(entries) = item.value else {
            return item.refuse(
                faults,
                format_args!("write a table: {key} = {{ name = \"..\" }}"),
            );
        };
        let mut read = Self::new();
        for (name, value) in entries {
            let value = T::read(&Item::new(name.get_ref(), value), faults);
            match (K::try_from(name.get_ref().to_string()), value) {
                (Ok(name), Some(value)) => drop(read.insert(name, value)),
                (Ok(_), None) => {}
                (Err(sentence), _) => {
                    faults.at(name.span().start, format_args!("{key}: {sentence}"));
                }
            }
        }
        Some(read)
    }
}

impl Value for bool {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        match item.value {
            DeValue::Boolean(word) => Some(*word),
            DeValue::String(_) => item.refuse(faults, "write true or false, without quotes"),
            _ => item.refuse(faults, "write true or false"),
        }
    }
}

impl Value for PathBuf {
    fn read(item: &Item<'_>, faults: &mut Faults) -> Option<Self> {
        item.parse(faults, |text| match &*text {
            "" => Err("write a path"),
            _ => Ok(text.into()),
        })
    }
}
