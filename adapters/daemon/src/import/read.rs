//! What was read, for those who want to compare it with what `doveconf` says.

use std::path::Path;

use serde_json::json;

use super::error::ImportError;
use super::lexer::Dialect;
use super::value::{Setting, Value};
use super::{dialect, v2_3, v2_4};

/// One JSON object a line: the block, the name and the value of each setting.
pub(super) fn lines(path: &Path, text: &str) -> Result<String, ImportError> {
    let mut lines = Vec::new();
    let mut add = |block: &str, name: &str, value: &str| {
        lines.push(json!({"block": block, "name": name, "value": value}).to_string() + "\n");
    };
    match dialect::of(text) {
        Dialect::Ext => {
            for setting in v2_3::settings(path, text)? {
                add("", &setting.name, setting.text());
            }
        }
        Dialect::V2_3 => {
            let (passdbs, globals) = v2_3::passdbs(path, text)?;
            for (index, passdb) in passdbs.iter().enumerate() {
                for (name, value) in passdb.settings() {
                    add(&format!("passdb/{index}"), name, value);
                }
            }
            if let Some(mechanisms) = globals.get("auth_mechanisms") {
                add("", "auth_mechanisms", mechanisms);
            }
        }
        Dialect::V2_4 => {
            for (filter, settings) in v2_4::read(path, text)? {
                let block = filter.join(" ");
                for setting in &settings {
                    each(setting, &block, &mut add);
                }
            }
        }
    }
    Ok(lines.concat())
}

fn each(setting: &Setting, block: &str, add: &mut impl FnMut(&str, &str, &str)) {
    match &setting.value {
        Value::Text(text) => add(block, &setting.name, text),
        Value::List(list) => {
            for (entry, value) in list {
                add(block, &format!("{}/{entry}", setting.name), value);
            }
        }
    }
}
