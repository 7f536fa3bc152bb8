//! An issuer with many tenants, as Microsoft Entra is.

use gatepost_core::{Policy, Tenant};
use gatepost_core_tests::judge::{BACKENDS, Key, judge, oauthbearer};
use serde_json::{Value, json};

use super::*;

const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
const TENANTS: &[Tenant<'_>] = &[
    Tenant {
        id: "aaaa",
        domains: &["a.example"],
    },
    Tenant {
        id: "bbbb",
        domains: &["b.example", "c.example"],
    },
];

fn entra() -> Policy<'static> {
    let mut policy = policy();
    policy.issuer = Some(TEMPLATE);
    policy.tenants = TENANTS;
    policy.username_claims = &["email", "preferred_username"];
    policy
}

fn token(tenant: &str, tid: &Value, user: &str) -> Value {
    let mut claims = claims();
    claims["iss"] = json!(TEMPLATE.replace("{tenantid}", tenant));
    claims["tid"] = tid.clone();
    claims["preferred_username"] = json!(user);
    claims
}

#[test]
fn a_tenant_names_users_of_its_own_domains() {
    let aaaa = |user| token("aaaa", &json!("aaaa"), user);
    check(&entra(), &aaaa("al@a.example"), Ok("al@a.example"));
    let bbbb = token("bbbb", &json!("bbbb"), "bo@c.example");
    check(&entra(), &bbbb, Ok("bo@c.example"));
    for (claims, code) in [
        (aaaa("al@b.example"), "wrong_domain"),
        (aaaa("al"), "wrong_domain"),
        (
            token("cccc", &json!("cccc"), "al@a.example"),
            "wrong_issuer",
        ),
        (token("", &json!(""), "al@a.example"), "wrong_issuer"),
        (
            token("aaaa/x", &json!("aaaa"), "al@a.example"),
            "wrong_issuer",
        ),
        (
            token("{tenantid}", &json!("aaaa"), "al@a.example"),
            "wrong_issuer",
        ),
        // `tid` and the issuer name one tenant.
        (
            token("aaaa", &json!("bbbb"), "al@a.example"),
            "wrong_issuer",
        ),
        (token("aaaa", &Value::Null, "al@a.example"), "missing_claim"),
        (token("aaaa", &json!(7), "al@a.example"), "malformed_claims"),
    ] {
        check(&entra(), &claims, Err(code));
    }
}

/// Of several names one may be of the tenant's domains.
#[test]
fn an_array_names_the_user_of_its_tenant() {
    let mut claims = token("aaaa", &json!("aaaa"), "");
    for names in [
        json!(["al@a.example", "al@a.onmicrosoft.com"]),
        json!(["bo@b.example", "al@a.example"]),
    ] {
        claims["preferred_username"] = names;
        check(&entra(), &claims, Ok("al@a.example"));
    }
    claims["preferred_username"] = json!(["bo@b.example", "bo@c.example"]);
    check(&entra(), &claims, Err("unusable_user_name"));
}

#[test]
fn an_address_names_nobody_across_tenants() {
    let mut claims = token("aaaa", &json!("aaaa"), "al@a.example");
    claims["email"] = json!("victim@a.example");
    check(&entra(), &claims, Ok("al@a.example"));
    claims["preferred_username"] = Value::Null;
    check(&entra(), &claims, Err("no_user_name"));
}

/// A key's own `issuer` member: one tenant's key signs for that tenant.
#[test]
fn a_key_signs_for_the_issuer_that_it_names() {
    let policy = entra();
    let own = TEMPLATE.replace("{tenantid}", "aaaa");
    let other = TEMPLATE.replace("{tenantid}", "bbbb");
    for backend in BACKENDS {
        let keys = backend.prepare_all(&[KEYS[0].jwk("HS256")]);
        for (issuer, expected) in [
            (None, Ok("al@a.example")),
            (Some(TEMPLATE), Ok("al@a.example")),
            (Some(own.as_str()), Ok("al@a.example")),
            (Some(other.as_str()), Err("unknown_key")),
            (Some("https://{tenantid}.example"), Err("unknown_key")),
        ] {
            let key = Key {
                issuer,
                ..keys[0].trusted(&policy)
            };
            let claims = token("aaaa", &json!("aaaa"), "al@a.example");
            let token = KEYS[0].sign("HS256", &claims);
            let outcome = judge(
                LoginSettings::default(),
                Mechanism::OAuthBearer,
                &oauthbearer(&token),
                &[key],
                UnixTime::from_seconds(NOW),
            );
            assert_eq!(outcome.code(), expected, "{issuer:?}");
        }
    }
}

/// Each tenant may have an application, and so a provider, of its own; their keys are the same.
#[test]
fn a_tenant_chooses_among_providers_of_one_template() {
    let (mut first, mut second) = (entra(), entra());
    (first.tenants, second.tenants) = (&TENANTS[..1], &TENANTS[1..]);
    for backend in BACKENDS {
        let keys = backend.prepare_all(&[KEYS[0].jwk("HS256")]);
        let trusted = [keys[0].trusted(&first), keys[0].trusted(&second)];
        for (tenant, user, expected) in [
            ("aaaa", "al@a.example", Ok("al@a.example")),
            ("bbbb", "bo@b.example", Ok("bo@b.example")),
            ("aaaa", "bo@b.example", Err("wrong_domain")),
        ] {
            let claims = token(tenant, &json!(tenant), user);
            let outcome = judge(
                LoginSettings::default(),
                Mechanism::OAuthBearer,
                &oauthbearer(&KEYS[0].sign("HS256", &claims)),
                &trusted,
                UnixTime::from_seconds(NOW),
            );
            assert_eq!(outcome.code(), expected, "{tenant} {user}");
        }
    }
}

/// Tenants without an issuer to find them in are nobody's, rather than everybody's.
#[test]
fn tenants_are_judged_without_an_issuer_too() {
    let mut policy = entra();
    policy.issuer = None;
    for tenant in ["aaaa", "cccc"] {
        let claims = token(tenant, &json!(tenant), "al@a.example");
        check(&policy, &claims, Err("wrong_issuer"));
    }
}

/// A key of any tenant's signs for tokens of one: an identifier is neither empty nor a path.
#[test]
fn a_key_of_every_tenant_signs_for_issuers_of_the_template() {
    let policy = policy_with(|policy| policy.issuer = None);
    for backend in BACKENDS {
        let keys = backend.prepare_all(&[KEYS[0].jwk("HS256")]);
        let key = Key {
            issuer: Some(TEMPLATE),
            ..keys[0].trusted(&policy)
        };
        for (tenant, expected) in [
            ("aaaa", ALICE),
            ("", Err("unknown_key")),
            ("aaaa/x", Err("unknown_key")),
            ("/", Err("unknown_key")),
        ] {
            let token = KEYS[0].sign("HS256", &token(tenant, &Value::Null, ""));
            let message = oauthbearer(&token);
            let now = UnixTime::from_seconds(NOW);
            let (settings, mechanism) = (LoginSettings::default(), Mechanism::OAuthBearer);
            let outcome = judge(settings, mechanism, &message, &[key], now);
            assert_eq!(outcome.code(), expected, "{tenant:?}");
        }
    }
}
