use super::*;
use crate::config::Config;

fn import(text: &str) -> Result<String, ImportError> {
    super::import(Path::new("dovecot"), text)
}

/// What `text` becomes; it loads, and has every one of `lines`.
#[track_caller]
fn check(text: &str, lines: &[&str]) -> String {
    let imported = import(text).unwrap();
    if let Err(fault) = Config::parse(&imported) {
        panic!("{fault:?}\n{imported}");
    }
    for line in lines {
        let has_line = imported
            .lines()
            .any(|found| found.trim_end().starts_with(line));
        assert!(has_line, "no {line} in\n{imported}");
    }
    imported
}

#[test]
fn google() {
    let text = "oauth2 {\n  tokeninfo_url = https://www.googleapis.com/oauth2/v3/tokeninfo?access_token=\n  \
                introspection_url = https://www.googleapis.com/oauth2/v2/userinfo\n  \
                #force_introspection = yes\n  username_attribute = email\n}\n";
    let imported = check(
        text,
        &[
            "tokeninfo_url = \"https://www.googleapis.com/oauth2/v3/tokeninfo?access_token=\"",
            "introspection_url = \"https://www.googleapis.com/oauth2/v2/userinfo\"",
            "introspection_mode = \"auth\"",
            "username_claims = [\"email\"]",
            "unverified_email = true",
            "validate = \"online\"",
            "any_audience = true",
        ],
    );
    assert!(!imported.contains("force_introspection"));
}

#[test]
fn wso2() {
    let text = "oauth2 {\n  introspection_mode = post\n  \
                introspection_url = https://client_id:client%5Fsecret@server.name:9443/oauth2/introspect\n  \
                username_attribute = username\n  active_attribute = active\n  active_value = true\n}\n";
    check(
        text,
        &[
            "introspection_url = \"https://server.name:9443/oauth2/introspect\"",
            "introspection_mode = \"post\"",
            "client_id = \"client_id\"",
            "client_secret = \"client_secret\"",
            "username_claims = [\"username\"]",
            "active_attribute = \"active\"",
            "active_value = \"true\"",
        ],
    );
}

#[test]
fn microsoft() {
    let text = "oauth2 {\n  introspection_mode = auth\n  \
                introspection_url = https://graph.microsoft.com/v1.0/me\n  # this can vary\n  \
                username_attribute = mail\n  ssl_client_ca_file = /etc/ssl/certs/ca-certificates.crt\n}\n";
    check(
        text,
        &[
            "introspection_mode = \"auth\"",
            "username_claims = [\"mail\"]",
            "ca_file = \"/etc/ssl/certs/ca-certificates.crt\"",
        ],
    );
}

#[test]
fn authentik() {
    let text = "tokeninfo_url = https://authentik.company/application/o/userinfo/?access_token=\n\
                introspection_url = https://id:secret@authentik.company/application/o/introspect/\n\
                introspection_mode = post\nforce_introspection = yes\nactive_attribute = active\n\
                active_value = true\nusername_attribute = email\n\
                tls_ca_cert_file = /etc/ssl/certs/ca-certificates.crt\n";
    check(
        text,
        &[
            "tokeninfo_url = \"https://authentik.company/application/o/userinfo/?access_token=\"",
            "introspection_url = \"https://authentik.company/application/o/introspect/\"",
            "force_introspection = true",
            "client_id = \"id\"",
            "client_secret = \"secret\"",
            "user_case = \"lower\"",
            "active_attribute = \"active\"",
        ],
    );
}

#[test]
fn docker_mailserver() {
    let text = "introspection_url = https://authentik.example.com/application/o/userinfo/\n\
                # Dovecot defaults:\nintrospection_mode = auth\nusername_attribute = email\n";
    let imported = check(
        text,
        &[
            "introspection_mode = \"auth\"",
            "username_claims = [\"email\"]",
        ],
    );
    assert!(!imported.contains("client_id"));
}

#[test]
fn local_validation() {
    let old = "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=/etc/dovecot/keys/\n\
               issuers = https://id.example.com\n";
    let new = "oauth2 {\n  introspection_mode = local\n  local_validation {\n    dict_driver = fs\n    \
               fs posix {\n    }\n    fs_posix_prefix = /etc/dovecot/keys\n  }\n  issuers {\n    \
               https://id.example.com = yes\n  }\n}\n";
    for (text, keys) in [(old, "/etc/dovecot/keys/"), (new, "/etc/dovecot/keys")] {
        let keys = format!("keys = [\"{keys}\"]");
        check(
            text,
            &[
                &keys,
                "validate = \"local\"",
                "issuer = \"https://id.example.com\"",
            ],
        );
    }
    let nobodys = "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix=/k/\n";
    check(nobodys, &["any_issuer = true", "keys = [\"/k/\"]"]);
}

#[test]
fn prefixed_names_and_lists_are_the_same_settings() {
    let text = "oauth2_introspection_url = http://auth.internal/userinfo\noauth2_introspection_mode = auth\n\
                protocols {\n  imap = yes\n}\noauth2_scope {\n  mail = yes\n  other = no\n}\n\
                oauth2_openid_configuration_url = https://id/.well-known/openid-configuration\n";
    let imported = check(
        text,
        &[
            "scopes = [\"mail\"]",
            "allow_http = true",
            "openid_configuration = \"https://id/",
        ],
    );
    assert!(!imported.contains("user_case"), "2.4 keeps the case");
}

#[test]
fn what_is_not_taken_over_is_said_by_name_and_value() {
    let text = "introspection_url = https://id/me\ngrant_url = https://id/token\n\
                pass_attrs = pass=%{token} master_pass=topSecret proxy=y\nclient_id = me\n\
                client_secret = verySecret\nrawlog_dir = /tmp/x\ndebug = yes\n\
                max_parallel_connections = 4096\nlocal_validation_key_dict = redis:host=127.0.0.1\n";
    let imported = check(
        text,
        &[
            "# line 2, grant_url = https://id/token: ",
            "# line 3, pass = %{token}: ",
            "# line 3, master_pass = (not shown): ",
            "# line 3, proxy = y: ",
            "# line 6, rawlog_dir = /tmp/x: ",
            "# line 7, debug = yes: ",
            "# line 8, max_parallel_connections = 4096: ",
            "# line 9, local_validation_key_dict = redis:host=127.0.0.1: ",
            "concurrency = 1024",
        ],
    );
    assert_eq!(
        imported.matches("verySecret").count(),
        1,
        "where it belongs"
    );
    assert!(!imported.contains("topSecret"));
}

#[test]
fn a_password_grant_with_a_proxy_behind_it_is_taken_over() {
    let text = "oauth2 {\n  client_id = me\n  client_secret = verySecret\n  \
                tokeninfo_url = http://localhost:8000/oauth2?oauth=\n  \
                introspection_url = http://localhost:8000/introspect\n  introspection_mode = post\n  \
                username_attribute = username\n  fields {\n    pass = %{passdb:token}\n  }\n}\n\
                passdb oauth2 {\n  mechanisms = plain login\n  oauth2 {\n    \
                grant_url = http://localhost:8000/token\n    fields {\n      host = 127.0.0.1\n      \
                proxy = y\n      proxy_mech = %m\n      userdb_quota = %{oauth2:quota}\n    }\n  }\n}\n";
    check(
        text,
        &[
            "grant_url = \"http://localhost:8000/token\"",
            "fields = { host = \"127.0.0.1\", pass = \"%{token}\", proxy = \"y\", proxy_mech = \"%{mechanism}\" }",
            "# line 20, userdb_quota = %{oauth2:quota}: this field cannot be taken over",
        ],
    );
}

/// An answer that names no audience is taken, also where Dovecot wants several of a JWT.
#[test]
fn several_audiences_are_required_of_jwts_alone() {
    let text = |mode: &str| {
        format!(
            "oauth2 {{\n  introspection_url = https://id/u\n  introspection_mode = {mode}\n  \
             audience = mail webmail third\n  local_validation {{\n    fs_posix_prefix = /k\n  }}\n}}\n"
        )
    };
    let imported = check(
        &text("auth"),
        &[
            "audience = \"mail\"",
            "allow_missing_audience = true",
            "# audience: webmail third cannot be required",
        ],
    );
    assert!(!imported.contains("require ="), "{imported}");
    let imported = check(
        &text("local"),
        &[
            "require = { aud = \"webmail\" }",
            "# audience: third cannot",
        ],
    );
    assert!(!imported.contains("allow_missing_audience"), "{imported}");
}

/// Milliseconds without units in 2.3, as C's `%i` reads them; with units in 2.4.
#[test]
fn times_have_the_units_of_their_version() {
    let old = [
        ("5000", 5_000),
        ("0x200", 512),
        ("0777", 511),
        ("700ms", 700),
        ("5 mins", 100),
    ];
    let new = [
        ("5 s", 5_000),
        ("500ms", 500),
        ("1MIN", 60_000),
        ("2 SECO", 2_000),
        ("1 hour", 60_000),
    ];
    for (value, milliseconds) in old {
        let text = format!("introspection_url = https://id/\ntimeout_msecs = {value}\n");
        check(&text, &[&format!("timeout_milliseconds = {milliseconds}")]);
    }
    for (value, milliseconds) in new {
        let text = format!(
            "oauth2 {{\nintrospection_url = https://id/\nhttp_client_request_timeout = {value}\n}}\n"
        );
        check(&text, &[&format!("timeout_milliseconds = {milliseconds}")]);
    }
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_line() {
    for (text, expected) in [
        ("", "no oauth2 settings"),
        ("# nothing\n", "no oauth2 settings"),
        (
            "introspection_url = https://id/\nsecret_sauce = 1\n",
            "line 2: secret_sauce is no setting",
        ),
        (
            "introspection_mode = magic\n",
            "line 1: introspection_mode is auth",
        ),
        (
            "force_introspection = maybe\n",
            "line 1: force_introspection is yes or no",
        ),
        (
            "introspection_url = /me\n",
            "line 1: introspection_url is no URL",
        ),
        ("nonsense\n", "line 1: not a setting"),
        ("oauth2 {\n", "no oauth2 settings"),
        ("oauth2 {\n}\n}\n", "line 3: this brace closes nothing"),
        (
            "oauth2 {\n}\noauth2 { client_id = x }\n",
            "line 3: something follows the brace",
        ),
        ("oauth2 mail {\n}\n", "line 1: oauth2 has no name"),
        (
            "oauth2 {\n  fields = x\n}\n",
            "line 2: oauth2_fields is a list",
        ),
        ("!include /nowhere/*.conf\n", "line 1: no file matches"),
        (
            "client_secret = \"a\tb\"\n",
            "line 1: client_secret holds control characters",
        ),
        ("grant_url = https://id/\nclient_id = a\n", "nobody to ask"),
    ] {
        let error = import(text).unwrap_err().to_string();
        assert!(error.contains(expected), "{error:?} lacks {expected:?}");
    }
}

/// Every setting that Dovecot knows has a row in `DOVECOT.md`, and is known here.
#[test]
fn every_setting_has_its_row() {
    let page = include_str!("../../DOVECOT.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with("| - |"));
    let mut names = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.split(" | ").collect();
        for cell in &cells[..2] {
            names.extend(
                cell.split([',', ' ', '`'])
                    .filter(|name| name.len() > 1)
                    .map(str::to_owned),
            );
        }
    }
    for name in names
        .iter()
        .filter(|name| !["local_validation", "fields"].contains(&&***name))
    {
        let text = format!("introspection_url = https://id/\n{name} = 1\n");
        let error = import(&text)
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(!error.contains("is no setting"), "{name}");
    }
    let source = include_str!("settings.rs");
    let known = source.lines().filter(|line| {
        line.contains("=>") || line.trim().starts_with('|') || line.contains("\" | \"")
    });
    let known = known.flat_map(|line| line.split('"').skip(1).step_by(2));
    let known = known.filter(|name| name.contains('_') && !name.contains(' '));
    for name in known {
        let is_ours = ["client_certificate", "client_key", "ca_file"].contains(&name);
        let is_inner = [
            "local_validation/",
            "dict_driver",
            "dict_name",
            "fs_driver",
            "fs_name",
            "ssl_",
            "http_client_",
            "access_token",
        ]
        .contains(&name);
        let has_row = names.iter().any(|row| row == name);
        assert!(is_ours || is_inner || has_row, "{name} has no row");
    }
}
