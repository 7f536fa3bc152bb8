//! Which reader of Dovecot's a file is written for.

use super::lexer::Dialect;

/// Whose file it is: 2.4 says so, or names oauth2 outside of a `.conf.ext`; that has no blocks.
pub(super) fn of(text: &str) -> Dialect {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = |line: &str| -> String {
        let word = line.split([' ', '\t', '=']).next();
        word.unwrap_or_default().trim_matches('"').to_owned()
    };
    let has = |is: &dyn Fn(&str, &str) -> bool| lines.clone().any(|line| is(&first(line), line));
    let opens = |line: &str| {
        line.split('#')
            .next()
            .unwrap_or_default()
            .trim_end()
            .ends_with('{')
    };
    if has(&|name, line| {
        name == "dovecot_config_version"
            || name.starts_with("oauth2")
            || name == "passdb" && line.contains("oauth2") && opens(line)
    }) {
        return Dialect::V2_4;
    }
    // Blocks are allowed in a .conf.ext, and not read.
    let is_of_ext = |name: &str| {
        let ends = ["_url", "_mode", "_key_dict"];
        let begins = ["introspection", "tokeninfo", "grant", "local_validation"];
        begins.iter().any(|begin| name.starts_with(begin))
            && ends.iter().any(|end| name.ends_with(end))
    };
    if has(&|name, _| is_of_ext(name)) {
        return Dialect::Ext;
    }
    let is_of_main = |name: &str| matches!(name, "auth_mechanisms" | "protocols" | "mail_location");
    let is_include = |name: &str| matches!(name, "!include" | "!include_try");
    let includes_alone = !has(&|name, _| !is_include(name)) && has(&|name, _| is_include(name));
    if includes_alone || has(&|name, line| opens(line) || is_of_main(name)) {
        return Dialect::V2_3;
    }
    Dialect::Ext
}
