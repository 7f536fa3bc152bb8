//! What `check` says on a terminal: in words, claim by claim.

use std::fmt::{self, Display};

use super::report::{Judged, Report, detail};

/// One verdict, explained.
pub(super) struct Explanation<'r>(pub(super) &'r Report);

impl Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        match &report.verdict {
            Judged::Accepted { user, .. } => {
                let user = user.as_deref().unwrap_or("the signature holds");
                writeln!(f, "ACCEPTED: {user}")?;
            }
            Judged::Rejected(rejection) => {
                writeln!(f, "REJECTED, {}: {}", rejection.code(), detail(*rejection))?;
                if rejection.status().is_none() {
                    writeln!(
                        f,
                        "       That is a temporary failure: the token may be good."
                    )?;
                }
            }
            Judged::NotBase64 => {
                writeln!(f, "REJECTED, invalid_base64: not base64 with its padding")?;
            }
        }
        if let Some(advice) = &report.advice {
            writeln!(f, "       {advice}")?;
        }
        report
            .table
            .iter()
            .try_for_each(|table| write!(f, "{table}"))
    }
}
