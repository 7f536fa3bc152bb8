//! The endpoints of sources, called as the sources would: by their public URLs, through whatever stands before us.

use gatepost_tokio::{Visit, visit};
use serde_json::Value;

use super::{Findings, note};
use crate::config::AccountSettings;

/// What every error of SCIM's names itself (RFC 7644 section 3.12).
const ERROR: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// Where anybody asks first.
const CONFIGURATION: &str = "/ServiceProviderConfig";

/// What tells how many there are, and little else.
const USERS: &str = "/Users?count=1&attributes=userName";

pub(super) async fn examine(
    accounts: &AccountSettings,
    secret: Option<&str>,
    findings: &mut Findings,
) {
    let (mut is_any, mut is_opened, mut refusing) = (false, false, Vec::new());
    for source in &accounts.sources {
        let Some(url) = source.public_url() else {
            continue;
        };
        is_any = true;
        let who = format!("source {:?}", &*source.name);
        let asks = asks_for_secret(&who, url, findings).await;
        if let Some(secret) = secret.filter(|_| asks) {
            match examine_secret(&who, url, secret, findings).await {
                Some(true) => is_opened = true,
                Some(false) => refusing.push(who),
                None => {}
            }
        }
    }
    // It is one source's, and opens no other's.
    if !is_opened && !refusing.is_empty() {
        findings.bad(
            &format!("{}: the secret does not open its endpoint", refusing.join(", ")),
            "it is another source's, revoked or expired, or a proxy takes Authorization away: see gatepost \
             scim-source list, and rotate for another",
        );
    }
    if is_any && secret.is_none() {
        note("give the source's secret on standard input to have it tried");
    }
}

/// Whether whoever has no secret is asked for one, as only we do.
async fn asks_for_secret(who: &str, url: &str, findings: &mut Findings) -> bool {
    let Some(visit) = ask(who, &format!("{url}{CONFIGURATION}"), None, findings).await else {
        return false;
    };
    match (visit.status, is_ours(&visit)) {
        (401, true) => {
            findings.good(&format!("{who}: its endpoint asks for a secret at {url}"));
            return true;
        }
        (404, true) => findings.bad(
            &format!("{who}: there is no endpoint at {url}"),
            "a daemon of ours answers: start it anew with this configuration, or let the proxy before it pass the \
             path /scim/<name>/v2 on as it is",
        ),
        (503, true) => findings.bad(
            &format!("{who}: its endpoint has no database to answer from"),
            "the daemon's log and /ready say why",
        ),
        (502..=504, false) => findings.bad(
            &format!("{who}: a proxy answers {} at {url}", visit.status),
            "start the daemon, or correct where the proxy passes requests on to: the address of listen under [accounts]",
        ),
        (status, _) => findings.bad(
            &format!("{who}: somebody else answers {status} at {url}"),
            "correct public_url, or have the proxy pass that path on to the address of listen under [accounts]",
        ),
    }
    false
}

/// Whether the secret opens an endpoint, where that can be told.
async fn examine_secret(
    who: &str,
    url: &str,
    secret: &str,
    findings: &mut Findings,
) -> Option<bool> {
    let visit = ask(who, &format!("{url}{USERS}"), Some(secret), findings).await?;
    let body: Value = serde_json::from_slice(&visit.body).unwrap_or_default();
    match (visit.status, body["totalResults"].as_u64()) {
        (200, Some(users)) => {
            let users = match users {
                1 => "1 user is".to_owned(),
                users => format!("{users} users are"),
            };
            let what = format!("{who}: the secret opens its endpoint, where {users} known");
            findings.good(&what);
            Some(true)
        }
        (401, _) => Some(false),
        (status, _) => {
            let what = format!("{who}: its endpoint answers {status} to the secret");
            findings.bad(&what, "the daemon's log says why");
            None
        }
    }
}

async fn ask(who: &str, url: &str, secret: Option<&str>, findings: &mut Findings) -> Option<Visit> {
    match visit(url, secret).await {
        Ok(Ok(visit)) => return Some(visit),
        Ok(Err(fault)) => {
            let what = format!("{who}: nothing answers at {url}: {fault}");
            findings.bad(&what, fault.advice());
        }
        Err(error) => findings.bad(
            &format!("{who}: {url} cannot be asked: {error}"),
            "correct this host's authorities",
        ),
    }
    None
}

/// Whether an answer is an error in SCIM's words.
fn is_ours(visit: &Visit) -> bool {
    let body: Value = serde_json::from_slice(&visit.body).unwrap_or_default();
    visit.content_type == "application/scim+json" && body["schemas"][0] == ERROR
}
