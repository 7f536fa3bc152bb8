//! Lines of Dovecot's configuration files: quotes, comments, continuations, and what kind of line it is.
//!
//! Three readers of Dovecot's agree in most of it. What they differ in is said where it is read.

/// Whose rules a file is read by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Dialect {
    /// `dovecot-oauth2.conf.ext` of 2.3: settings alone.
    Ext,
    /// `dovecot.conf` of 2.3, and what it includes.
    V2_3,
    /// `dovecot.conf` of 2.4, and what it includes.
    V2_4,
}

/// What a line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Statement {
    Assign { name: String, value: Raw },
    Begin { kind: String, label: Option<String> },
    End,
    Include { pattern: String, must_match: bool },
}

/// A value as it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Raw {
    Text(String),
    /// The content of this file.
    File(String),
    /// Words, of which some begin with a dollar sign.
    Variables(String),
}

/// Joins lines that continue one another.
#[derive(Debug)]
pub(super) struct Lexer {
    dialect: Dialect,
    pending: String,
}

impl Lexer {
    pub(super) fn new(dialect: Dialect) -> Self {
        let pending = String::new();
        Self { dialect, pending }
    }

    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What `line` says, once it is whole.
    pub(super) fn line(&mut self, line: &str) -> Result<Option<Statement>, &'static str> {
        let line = line.trim_start_matches(|c| self.is_white(c));
        if line.is_empty() || line.starts_with('#') {
            // In a main file that ends a continuation, and what was to be continued is lost.
            if self.dialect != Dialect::Ext {
                self.pending.clear();
            }
            return Ok(None);
        }
        let line = without_comment(line).trim_end_matches(|c| self.is_white(c));
        if let Some(part) = line.strip_suffix('\\') {
            let part = part.trim_end_matches(|c| self.is_white(c));
            if self.dialect == Dialect::Ext || !part.is_empty() {
                self.pending += part;
                self.pending.push(' ');
            }
            return Ok(None);
        }
        let whole = std::mem::take(&mut self.pending) + line;
        self.statement(&whole).map(Some)
    }

    fn is_white(&self, c: char) -> bool {
        match self.dialect {
            Dialect::Ext | Dialect::V2_3 => matches!(c, ' ' | '\t'),
            Dialect::V2_4 => matches!(c, ' ' | '\t' | '\n' | '\r' | '\x0b' | '\x0c'),
        }
    }

    fn after_white<'t>(&self, text: &'t str) -> &'t str {
        text.trim_start_matches(|c| self.is_white(c))
    }

    /// The first word of `text`, and what follows it.
    fn word<'t>(&self, text: &'t str, also_ends: Option<char>) -> (&'t str, &'t str) {
        let end = text.find(|c| self.is_white(c) || Some(c) == also_ends);
        text.split_at(end.unwrap_or(text.len()))
    }

    fn statement(&self, text: &str) -> Result<Statement, &'static str> {
        let (name, rest) = match text.strip_prefix('"') {
            Some(quoted) if self.dialect == Dialect::V2_4 => quoted_name(quoted),
            _ => self.word(text, Some('=')),
        };
        let rest = self.after_white(rest);
        if let "!include" | "!include_try" = name {
            return Ok(Statement::Include {
                pattern: rest.to_owned(),
                must_match: name == "!include",
            });
        }
        if let Some(value) = rest.strip_prefix('=') {
            let value = self.value(self.after_white(value));
            let name = name.to_owned();
            return Ok(Statement::Assign { name, value });
        }
        if name == "}" && rest.is_empty() {
            return Ok(Statement::End);
        }
        self.block(name, rest)
    }

    fn value(&self, text: &str) -> Raw {
        let is_main = self.dialect != Dialect::Ext;
        if let Some(path) = text.strip_prefix('<').filter(|_| is_main) {
            return Raw::File(self.after_white(path).to_owned());
        }
        let is_quoted = text.starts_with(['"', '\'']);
        // In main files a quote in front is enough to keep variables from being looked for.
        if is_main && !is_quoted && text.contains('$') {
            return Raw::Variables(text.to_owned());
        }
        match unquoted(text) {
            Some(text) => Raw::Text(text),
            None if !is_main && text.contains("$ENV:") => Raw::Variables(text.to_owned()),
            None => Raw::Text(text.to_owned()),
        }
    }

    /// `kind {` or `kind label {`.
    fn block(&self, kind: &str, rest: &str) -> Result<Statement, &'static str> {
        let no_brace = "not a setting; write name = value";
        // group @kind label {
        if kind == "group" && self.dialect == Dialect::V2_4 && !rest.starts_with('{') {
            let (kind, rest) = self.word(rest, None);
            return self.block(kind, self.after_white(rest));
        }
        let (label, rest) = if rest.starts_with('{') {
            (None, rest)
        } else if let Some(quoted) = rest
            .strip_prefix('"')
            .filter(|_| self.dialect != Dialect::Ext)
        {
            let (label, rest) = quoted.split_once('"').ok_or(no_brace)?;
            (Some(unescaped(label)), self.after_white(rest))
        } else {
            let (label, rest) = self.word(rest, None);
            (Some(label.to_owned()), self.after_white(rest))
        };
        let behind = rest.strip_prefix('{').ok_or(no_brace)?;
        if !behind.is_empty() && self.dialect != Dialect::Ext {
            return Err(
                "something follows the brace, which Dovecot does not read; write it on its own line",
            );
        }
        let kind = kind.to_owned();
        Ok(Statement::Begin { kind, label })
    }
}

/// `line` up to a hash outside of quotes. A quote that never ends hides every hash.
fn without_comment(line: &str) -> &str {
    let mut bytes = line.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'#' => return &line[..at],
            b'\'' | b'"' => {
                let mut closed = false;
                while let Some((_, inside)) = bytes.next() {
                    if inside == byte {
                        closed = true;
                        break;
                    }
                    if inside == b'\\' {
                        bytes.next();
                    }
                }
                if !closed {
                    return line;
                }
            }
            _ => {}
        }
    }
    line
}

/// A name in quotes, whose escapes stay as they are.
fn quoted_name(text: &str) -> (&str, &str) {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return (&text[..at], &text[at + 1..]),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    (text, "")
}

/// What is between quotes, where they are the first and the last character.
fn unquoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inside = text[1..].strip_suffix(quote);
    // One quote alone is both.
    Some(unescaped(inside.or((text.len() == 1).then_some(""))?))
}

/// Without the backslashes that stand before other characters.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            _ => plain.push(character),
        }
    }
    plain
}
