//! Settings as administrators write them, and as nobody should: made from a seed.

use std::fmt::Write as _;

/// A generator of numbers; the same seed makes the same files (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap_or_default()
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// Who reads it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Grammar {
    /// 2.3's `dovecot-oauth2.conf.ext`.
    Ext,
    /// 2.3's `dovecot.conf`.
    V2_3,
    /// 2.4's `dovecot.conf`.
    V2_4,
}

/// Files by their names; the first is the main one.
pub(crate) type Files = Vec<(String, String)>;

/// The name of the environment variable that files may use.
pub(crate) const VARIABLE: &str = "GATEPOST_TESTS_WORD";

const SPACES: [&str; 8] = ["", " ", " ", " ", "  ", "\t", " \t ", "   "];

/// What a value may be made of.
const PIECES: [&str; 30] = [
    "mail",
    "a",
    "Z9",
    "x=y",
    "https://id.example/p?q=1&r=2",
    " ",
    " ",
    "  ",
    "\t",
    "#",
    " # ",
    "#a",
    "\\",
    "\\\\",
    "\"",
    "'",
    "\\\"",
    "\\'",
    "$",
    "$x",
    "{",
    "}",
    "<",
    ",",
    "%",
    "ü",
    ";",
    "!",
    "@",
    "\\n",
];

/// Settings that hold any text.
const TEXTS: [&str; 8] = [
    "client_id",
    "client_secret",
    "username_attribute",
    "active_attribute",
    "active_value",
    "tokeninfo_url",
    "introspection_url",
    "openid_configuration_url",
];

impl Random {
    fn space(&mut self) -> &'static str {
        self.of(&SPACES)
    }

    /// Pieces of text. None is last that would have the line go on.
    fn text(&mut self, pieces: usize) -> String {
        let count = self.below(pieces + 1);
        let text: String = (0..count).map(|_| self.of(&PIECES)).collect();
        // 2.4's doveconf panics at a variable that never ends.
        let text = text.replace("%{", "%");
        // A comment ends what is read of a line.
        if text.split('#').any(|part| part.trim_end().ends_with('\\')) {
            return text.replace('\\', "e");
        }
        text
    }

    /// A value in one of the ways in which it can be written.
    pub(crate) fn value(&mut self, grammar: Grammar) -> String {
        match self.below(12) {
            0 => String::new(),
            1 | 2 => self
                .of(&["mail", "https://id.example/u", "two words", "a  b\tc"])
                .to_owned(),
            3..=5 => format!("\"{}\"", self.text(4)),
            6 | 7 => format!("'{}'", self.text(4)),
            8 => self.variable(grammar),
            9 if grammar != Grammar::Ext => {
                self.of(&["<secret", "< secret", "<\tempty"]).to_owned()
            }
            _ => self.text(5),
        }
    }

    fn variable(&mut self, grammar: Grammar) -> String {
        let word = match grammar {
            Grammar::V2_4 => self.of(&[
                "$SET:oauth2_client_id",
                "$SET:oauth2_username_attribute",
                "$ENV:GATEPOST_TESTS_WORD",
                "$client_id",
            ]),
            Grammar::V2_3 => self.of(&[
                "$auth_mechanisms",
                "$ENV:GATEPOST_TESTS_WORD",
                "$ENV:GATEPOST_TESTS_NONE",
            ]),
            Grammar::Ext => "$ENV:GATEPOST_TESTS_NONE",
        };
        match self.below(4) {
            0 => word.to_owned(),
            1 => format!("before  {word} behind"),
            2 => format!("\"{word}\""),
            _ => format!("a{word}"),
        }
    }

    /// `name = value` with all that may stand around it.
    pub(crate) fn assignment(&mut self, grammar: Grammar, name: &str, value: &str) -> String {
        let comment = match self.below(6) {
            0 => " # comment",
            1 => "\t#\"",
            2 => "  ",
            _ => "",
        };
        let value = match self.below(10) {
            // A line goes on where a space is.
            0 if value.contains(' ') => value.replacen(
                ' ',
                &format!(" \\{}\n{}", self.of(&["", " "]), self.space()),
                1,
            ),
            // Neither a comment nor an empty line ends that here.
            1 if grammar == Grammar::Ext && name.starts_with("client_") => {
                format!(
                    "{value} \\\n# between\n\n\t{}",
                    self.of(&["more", "# none", "\"x\""])
                )
            }
            2 if grammar != Grammar::Ext && self.one_in(3) => format!("{value} \\\n\n"),
            _ => value.to_owned(),
        };
        let (indent, before, behind) = (self.space(), self.space(), self.space());
        let end = if self.one_in(12) { "\r\n" } else { "\n" };
        format!("{indent}{name}{before}={behind}{value}{comment}{end}")
    }

    fn begin(&mut self, words: &str) -> String {
        let (indent, before) = (self.space(), self.of(&[" ", "  ", "\t"]));
        let behind = self.of(&["", "", " ", " # comment", "# comment", "\t#}"]);
        format!("{indent}{words}{before}{{{behind}\n")
    }

    fn end(&mut self) -> String {
        let (indent, behind) = (self.space(), self.of(&["", "", " ", " # end", "# end"]));
        format!("{indent}}}{behind}\n")
    }

    fn noise(&mut self) -> &'static str {
        self.of(&[
            "\n",
            "# a comment \\\n",
            "   \t\n",
            "#oauth2 {\n",
            "mail_max_userip_connections = 7 # each\n",
            "protocol imap {\n  mail_max_userip_connections = \"9\" # }\n}\n",
            "service auth {\n  unix_listener auth-x { # {\n    mode = 0600\n  }\n}\n",
        ])
    }

    /// A line that no reader takes.
    fn mistake(&mut self) -> &'static str {
        self.of(&[
            "oauth2 { client_id = x }\n",
            "client_id\n",
            "}\n",
            "passdb oauth2 x {\n",
            "!include nothing-there.conf\n",
            "} }\n",
        ])
    }

    fn include(&mut self) -> &'static str {
        self.of(&[
            "!include part\n",
            "!include_try nothing-there\n",
            "  !include   parts/*.conf # all\n",
            "!include_try parts/[2-9]?.conf\n",
            "!include parts/{20,10}.conf\n",
        ])
    }
}

/// A `dovecot.conf`, and what it includes.
pub(crate) fn main(random: &mut Random, grammar: Grammar) -> Files {
    let mut text = match grammar {
        Grammar::V2_4 => {
            "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n".to_owned()
        }
        _ => "auth_mechanisms = plain login\n".to_owned(),
    };
    for _ in 0..4 + random.below(8) {
        match random.below(12) {
            0 => text += random.noise(),
            1 => text += random.include(),
            2 if random.one_in(6) => text += random.mistake(),
            _ if grammar == Grammar::V2_4 => v2_4(random, &mut text),
            _ => v2_3(random, &mut text),
        }
    }
    let fragment = |random: &mut Random| -> String {
        let line = |random: &mut Random| {
            if grammar == Grammar::V2_4 {
                return oauth2_line(random, "oauth2_");
            }
            let value = random.value(grammar);
            random.assignment(grammar, "auth_mechanisms", &value)
        };
        (0..=random.below(3)).map(|_| line(random)).collect()
    };
    let mut files = vec![("main".to_owned(), text)];
    for name in ["part", "parts/10.conf", "parts/20.conf", "parts/.30.conf"] {
        files.push((name.to_owned(), fragment(random)));
    }
    // 2.3's doveconf prints what is in files as it is, so that a line end would end the setting.
    let end = if grammar == Grammar::V2_4 { "\n" } else { "" };
    files.push(("secret".to_owned(), format!("s3cret # \"x\"{end}")));
    files.push(("empty".to_owned(), String::new()));
    files
}

fn v2_3(random: &mut Random, text: &mut String) {
    let grammar = Grammar::V2_3;
    if random.one_in(4) {
        let value = random.of(&[
            "$auth_mechanisms oauthbearer xoauth2",
            "plain  $auth_mechanisms",
            "xoauth2",
            "\"plain login\"",
        ]);
        *text += &random.assignment(grammar, "auth_mechanisms", value);
        return;
    }
    let begin = random.of(&[
        "passdb",
        "passdb",
        "passdb",
        "passdb",
        "passdb",
        "passdb",
        "passdb tokens",
        "passdb \"a b\"",
    ]);
    *text += &random.begin(begin);
    for name in ["driver", "args", "mechanisms"] {
        let value = match name {
            "driver" => random
                .of(&["oauth2", "\"oauth2\"", "'pam'", "static"])
                .to_owned(),
            _ => random.value(grammar),
        };
        for _ in 0..random.below(3) {
            *text += &random.assignment(grammar, name, &value);
        }
        if random.one_in(8) {
            *text += random.of(&["\n", " # comment\n", "default_fields = userdb_x=y # z\n"]);
        }
    }
    *text += &random.end();
}

/// One setting of oauth2, with `prefix` before its name.
fn oauth2_line(random: &mut Random, prefix: &str) -> String {
    let grammar = Grammar::V2_4;
    let (name, value) = match random.below(8) {
        0 => (
            "introspection_mode",
            random
                .of(&["auth", "\"post\"", "get", "'local'", "magic"])
                .to_owned(),
        ),
        1 => (
            "force_introspection",
            random
                .of(&["yes", "no", "Y", "1", "YES", "\"no\"", "true", "0"])
                .to_owned(),
        ),
        2 => (
            random.of(&["scope", "issuers"]),
            random
                .of(&[
                    "a b",
                    "a, \"b c\" ,d",
                    "\"x\\\"y\"",
                    "https://id.example/ b",
                    "a,b",
                    "\"a",
                    "",
                ])
                .to_owned(),
        ),
        3 => ("grant_url", random.value(grammar)),
        _ => (random.of(&TEXTS), random.value(grammar)),
    };
    // Words that Dovecot refuses are rare, so that most files are read to their ends.
    let is_refused = matches!(&*value, "magic" | "true" | "0" | "\"a") && !random.one_in(8);
    let value = if is_refused { "" } else { &value };
    let is_switch = name == "force_introspection" && value.is_empty();
    let value = if is_switch { "no" } else { value };
    random.assignment(grammar, &format!("{prefix}{name}"), value)
}

fn v2_4(random: &mut Random, text: &mut String) {
    match random.below(8) {
        0 => *text += &oauth2_line(random, "oauth2_"),
        1 => list(random, text, "oauth2_"),
        2 => {
            let words = random.of(&["passdb oauth2", "passdb \"oauth2\"", "passdb other"]);
            *text += &random.begin(words);
            for _ in 0..random.below(3) {
                *text += &oauth2_line(random, "oauth2_");
            }
            if random.one_in(2) {
                oauth2(random, text);
            }
            *text += &random.assignment(Grammar::V2_4, "driver", "oauth2");
            *text += &random.end();
        }
        _ => oauth2(random, text),
    }
}

fn oauth2(random: &mut Random, text: &mut String) {
    *text += &random.begin("oauth2");
    for _ in 0..=random.below(5) {
        match random.below(10) {
            0 => {
                let prefix = random_prefix(random);
                list(random, text, prefix);
            }
            1 => *text += random.of(&["\n", "# a comment \\\n", "   \t\n", "#}\n"]),
            2 => *text += random.include(),
            3 => {
                let value = random.of(&[
                    "5 s",
                    "\"500ms\"",
                    "1 min",
                    "0",
                    "2 hours # long",
                    "7 seconds",
                ]);
                *text += &random.assignment(Grammar::V2_4, "http_client_request_timeout", value);
            }
            4 => {
                let (begin, name) = random.of(&[
                    ("ssl_client", "ca_file"),
                    ("ssl_client", "ssl_client_key_file"),
                ]);
                *text += &random.begin(begin);
                *text += &random.assignment(Grammar::V2_4, name, "secret");
                *text += &random.end();
            }
            5 => {
                let prefix = random.value(Grammar::V2_4);
                let line = random.assignment(Grammar::V2_4, "prefix", &prefix);
                let _written = write!(
                    text,
                    "oauth2_local_validation {{\n dict fs {{\n  fs posix {{\n{line}  }}\n }} # x\n}}\n"
                );
            }
            _ => {
                let prefix = random_prefix(random);
                *text += &oauth2_line(random, prefix);
            }
        }
    }
    *text += &random.end();
}

fn random_prefix(random: &mut Random) -> &'static str {
    random.of(&["", "", "oauth2_"])
}

/// A block whose entries have names of their own.
fn list(random: &mut Random, text: &mut String, prefix: &str) {
    let name = random.of(&["scope", "issuers", "fields"]);
    *text += &random.begin(&format!("{prefix}{name}"));
    for _ in 0..random.below(4) {
        let entry = random.of(&[
            "mail",
            "\"with space\"",
            "https://id.example/a",
            "\"a\\\"b\"",
            "x.y",
        ]);
        let value = match name {
            "fields" => random.value(Grammar::V2_4),
            _ => random.of(&["yes", "no", "y", "\"yes\"", "1"]).to_owned(),
        };
        *text += &random.assignment(Grammar::V2_4, entry, &value);
    }
    *text += &random.end();
}

/// A `.conf.ext` whose database asks at `url`, with whatever values besides.
pub(crate) fn ext(random: &mut Random, url: &str) -> String {
    let grammar = Grammar::Ext;
    let mut text = String::new();
    let url = match random.below(4) {
        0 => format!("\"{url}\""),
        1 => format!("'{url}'"),
        2 => format!("{url}#cut"),
        _ => url.to_owned(),
    };
    for (name, fixed) in [
        ("introspection_mode", Some("\"post\"")),
        ("introspection_url", Some(&*url)),
        ("client_id", None),
        ("client_secret", None),
    ] {
        if random.one_in(4) {
            text += random.of(&[
                "\n",
                "# client_secret = no\n",
                "\t\n",
                "block {\nclient_id = inside\n}\n",
            ]);
        }
        // The last one counts.
        for _ in 0..=random.below(2) {
            let value = fixed.map_or_else(|| random.value(grammar), str::to_owned);
            text += &random.assignment(grammar, name, &value);
        }
    }
    text
}
