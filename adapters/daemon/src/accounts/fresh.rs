//! What the system gives: new ids, and the time.

use std::time::{SystemTime, UNIX_EPOCH};

use gatepost_accounts::id::Id;
use gatepost_accounts::time::Timestamp;

/// An id that nothing has had yet.
pub(crate) fn fresh() -> Result<Id, aws_lc_rs::error::Unspecified> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(Id::from_bytes(bytes))
}

/// The time of the system's clock.
pub(crate) fn now() -> Timestamp {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = passed.unwrap_or_default().as_millis();
    Timestamp::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}
