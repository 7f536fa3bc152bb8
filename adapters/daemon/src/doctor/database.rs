//! The database of accounts, as the daemon would open it.

use gatepost_store::{Counts, count};

use super::{Findings, note};
use crate::accounts::{SettingsError, foresee};
use crate::config::AccountSettings;

/// Tells of the database; `fault` is what keeps the daemon's user from it.
pub(super) fn examine(
    accounts: &AccountSettings,
    fault: Option<&SettingsError>,
    findings: &mut Findings,
) {
    if let Some(fault) = fault {
        return findings.bad(&fault.to_string(), "until then mail for accounts waits");
    }
    let path = accounts.database();
    let shown = format!("database {}", path.display());
    if !path.exists() {
        return note(&format!("{shown} is not there yet: the daemon makes it"));
    }
    match count(path) {
        Ok(Counts {
            accounts: number,
            sources,
        }) => {
            findings.good(&format!(
                "{shown} can be read: accounts: {number}, sources: {sources}"
            ));
            // What cannot be read has been told.
            for foreseen in foresee(accounts).unwrap_or_default() {
                match foreseen.advice {
                    Some(advice) => findings.bad(&foreseen.text, advice),
                    None => note(&foreseen.text),
                }
            }
        }
        Err(trouble) => findings.bad(
            &format!("[accounts]: the {shown} {trouble}"),
            "until then mail for accounts waits",
        ),
    }
}
