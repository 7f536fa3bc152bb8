//! A database with many accounts, as a source would have made it, but quickly.

use std::io;
use std::path::Path;

use gatepost_accounts::id::Id;
use gatepost_accounts::model::{Source, SourceId};
use gatepost_accounts::routes::Routes;
use gatepost_accounts::scim::{self, Context, Effect, Request, derived_by};
use gatepost_accounts::store::Unavailable;
use gatepost_accounts::time::Timestamp;
use gatepost_store::{Session, Settings, Sqlite, run};
use serde_json::json;

/// How many there are, each with three addresses.
pub(super) const ACCOUNTS: u64 = 100_000;

/// The number of the group that has all of them.
pub(super) const GROUP: u64 = u64::MAX - 1;

/// Accounts of one transaction.
const AT_ONCE: u64 = 1_000;

/// The id of the account or group of that number.
pub(super) fn id(number: u64) -> String {
    fresh(number).to_string()
}

pub(super) fn fresh(number: u64) -> Id {
    let spread = u128::from(number).wrapping_add(1);
    let spread = spread.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Id::from_bytes(spread.to_be_bytes())
}

/// The mailbox of the account of that number.
pub(super) fn address(number: u64) -> String {
    format!("firstname.lastname{number:06}@example.com")
}

/// What a provider sends of it.
pub(super) fn user(number: u64) -> String {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": address(number),
        "externalId": format!("{number:036}"),
        "active": true,
        "displayName": format!("Firstname Lastname {number}"),
        "name": {"givenName": "Firstname", "familyName": format!("Lastname {number}")},
        "emails": [
            {"value": address(number), "type": "work", "primary": true},
            {"value": format!("f.lastname{number:06}@example.com"), "type": "other"},
            {"value": format!("user{number:06}@example.com"), "type": "other"},
        ],
    })
    .to_string()
}

/// Fills a database that is not there yet.
pub(super) fn fill(path: &Path) -> io::Result<()> {
    let store = Sqlite::open(path, Settings::default(), ()).map_err(io::Error::other)?;
    let source = run(&store, |session| {
        let added = session.add_source("idp", Timestamp::from_millis(0));
        (Effect::Commit, added)
    });
    let source = source
        .map_err(io::Error::other)?
        .map_err(io::Error::other)?;
    for from in (0..ACCOUNTS).step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
        let filled = run(&store, move |session| {
            for number in from..from + AT_ONCE {
                push(session, source, number, "/Users", &user(number));
            }
            (Effect::Commit, ())
        });
        filled.map_err(io::Error::other)?;
    }
    let filled = run(&store, move |session| {
        let derived = derived_by(&idp(source));
        if session.set_derived(source, Some(&derived)).is_err() {
            return (Effect::RollBack, Err(Unavailable));
        }
        push(
            session,
            source,
            GROUP,
            "/Groups",
            r#"{"displayName":"all"}"#,
        );
        let all: Vec<_> = (0..ACCOUNTS).map(fresh).collect();
        (
            Effect::Commit,
            session.edit_members(fresh(GROUP), &all, &[]),
        )
    });
    filled
        .and_then(|members| members)
        .map_err(io::Error::other)?;
    Ok(())
}

fn idp(id: SourceId) -> Source {
    Source {
        id,
        name: "idp".to_owned(),
        domains: ["example.com"].into_iter().collect(),
    }
}

fn push(session: &mut dyn Session, source: SourceId, number: u64, path: &str, body: &str) {
    let source = idp(source);
    let request = Request {
        method: "POST",
        path,
        body: body.as_bytes(),
        ..Request::default()
    };
    let context = Context {
        source: &source,
        base_url: "http://127.0.0.1/scim/idp/v2",
        routes: &Routes::new(),
        now: Timestamp::from_millis(0),
        fresh: fresh(number),
    };
    let answer = scim::answer(request, context, session);
    assert_eq!(
        answer.response.status,
        201,
        "{}",
        answer.response.body.text()
    );
}
