//! The page for readers: the table as Markdown.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::table::{Case, Config, Kind, Provider};

const HEAD: &str = "\
# Providers

What identity providers issue and answer, how to configure Gatepost for each, and what it refuses and why. Every row
is a test: `tests/vectors/providers/` holds the documents, this page is written from them. Reason codes are those of
the [README](../../README.md#reason-codes), configuration keys those of [this page](README.md).

Rows cite a recording of the real program, a source file, or a page of the provider's documentation. What nobody has
seen is marked `unverified`, and no rule rests on it.

## How kinds of tokens are told apart

An ID token says who somebody is, to the client that asked for it; a refresh token is for the provider alone. Neither may
open a mailbox. Providers sign all of them with the same keys, often for the same audience, so that only their members
tell them apart. A member that tells of another kind refuses, whatever the others say.

| member | an access token says | others say |
|---|---|---|
| `typ` of the header | `at+jwt`, `application/at+jwt` | `logout+jwt`, `id_token`, `application/okta-internal-at+jwt`, anything but `JWT` |
| `typ` | `Bearer` (Keycloak, Rauthy) | `ID`, `Refresh`, `Offline`, `Logout`, `Serialized-ID` and the names of actions (Keycloak), `Id`, `Refresh`, `logout+jwt` (Rauthy) |
| `token_use` | `access` (Cognito), `access_token` (Hydra, Dex, Authelia) | `id` (Cognito), `refresh_token` (Hydra, Dex, Authelia) |
| `token_type` | `Bearer` (most answers; Janssen's JWTs), `access_token` (OneLogin), `access-token` (Casdoor) | `Refresh` (WSO2), `refresh-token` (Casdoor), `N_A` |
| `tokenType`, `TokenType` | `access-token` (Casdoor) | `refresh-token` (Casdoor) |
| `type` | `oauth-access-token` (Pocket ID) | `id-token`, `refresh-token` (Pocket ID); unknown words say nothing |
| `events` | absent | logout tokens and other security events |
| `at_hash`, `c_hash`, `s_hash` | absent, unless a member above says access token | ID tokens; authentik's answers about refresh tokens |
| `nonce` of a JWT | absent, unless a member above says access token; in authentik's tokens beside `uid` and `azp`, without `jti` | ID tokens |
| `cnf`; `typ` or `token_type` `DPoP` | absent: SASL has no way to prove the key | tokens bound to a key (`key_bound_token`) |

What cannot be told: an ID token whose client sent no nonce, from authentik, Kanidm, Auth0, Okta and Entra for instance,
holds nothing that an access token might not hold. Only asking for what access tokens have keeps it out:
`authorized_parties` (authentik, Auth0, Entra), `scopes` (Okta, Entra, Azure AD B2C), `require_type = \"at+jwt\"`
(RFC 9068: Authelia, Kanidm, Nextcloud, Logto and others). The configurations below do so where it helps. `id_tokens = true`
is for those who want ID tokens.

## The providers

";

/// Compares the page with the table, or writes it.
pub(crate) fn check(providers: &[(String, Provider)]) {
    let page = write(providers);
    let path = path();
    if std::env::var_os("GATEPOST_WRITE_PAGES").is_some() {
        fs::write(&path, page).expect("a page");
        return;
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = found
        .lines()
        .zip(page.lines())
        .find(|(found, page)| found != page);
    assert!(
        found == page,
        "PROVIDERS.md differs from the table, first here: {differs:?}; GATEPOST_WRITE_PAGES=1 writes it anew"
    );
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../adapters/daemon/PROVIDERS.md")
}

fn write(providers: &[(String, Provider)]) -> String {
    let mut page = HEAD.to_owned();
    for (file, provider) in providers {
        _ = writeln!(page, "- [{}](#{file})", provider.name);
    }
    for (file, provider) in providers {
        _ = writeln!(
            page,
            "\n<a id=\"{file}\"></a>\n\n## {}\n\n{}",
            provider.name,
            provider.about.trim()
        );
        for config in &provider.config {
            configuration(&mut page, config);
        }
        page.push_str("\n| document | configuration | taken as, or refused | why | source |\n|---|---|---|---|---|\n");
        for case in &provider.case {
            row(&mut page, provider, case);
        }
    }
    page
}

fn configuration(page: &mut String, config: &Config) {
    let Config {
        name, when, text, ..
    } = config;
    if config.advice {
        let text = text.trim();
        _ = writeln!(
            page,
            "\n**{name}**: {when}\n\n```toml\n[[provider]]\n{text}\n```"
        );
        return;
    }
    // Nobody shall copy it.
    let lines: Vec<_> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| format!("`{line}`"))
        .collect();
    _ = writeln!(
        page,
        "\n**{name}**, {when}, not to be used: {}",
        lines.join(", ")
    );
}

fn row(page: &mut String, provider: &Provider, case: &Case) {
    let kind = match case.kind {
        Kind::AccessToken => "access token",
        Kind::IdToken => "ID token",
        Kind::RefreshToken => "refresh token",
        Kind::OtherToken => "other token",
        Kind::Introspection => "introspection",
        Kind::Userinfo => "userinfo",
        Kind::Tokeninfo => "tokeninfo",
        Kind::PasswordGrant => "password grant",
        Kind::Metadata => "metadata",
        Kind::JwkSet => "JWK Set",
    };
    let what = if case.what.starts_with(kind) || case.what == kind {
        case.what.clone()
    } else {
        format!("{kind}: {}", case.what)
    };
    let config = &provider.config(case).name;
    let fields = [
        &what,
        config,
        &format!("`{}`", case.verdict),
        &case.why,
        &case.source,
    ];
    let fields = fields.map(|field| field.replace('|', "\\|"));
    _ = writeln!(page, "| {} |", fields.join(" | "));
}
