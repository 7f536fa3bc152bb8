//! Lines of Dovecot's passwd-file, and of docker-mailserver's postfix-accounts.cf, which end in the same extra fields.

use super::Row;

/// Extra fields that limit logins as an account cannot.
const LIMITS: [&str; 3] = ["allow_nets", "allow_real_nets", "fail"];

/// Reads a line of `columns` columns with `sign` between them: the first is the name, the last has the extra fields.
/// Passwords are read over.
pub(super) fn row(line: &str, (sign, columns): (char, usize)) -> Row {
    let mut parts = line.splitn(columns, sign);
    let mut row = Row {
        address: parts.next().unwrap_or_default().trim().to_owned(),
        ..Row::default()
    };
    let extra = parts.nth(columns.saturating_sub(2)).unwrap_or_default();
    for word in extra.split_ascii_whitespace() {
        let (field, value) = word.split_once('=').unwrap_or((word, ""));
        let quota = match field {
            "nologin" => {
                row.is_disabled = true;
                continue;
            }
            "userdb_quota_rule" => of_rule(value),
            "userdb_quota_storage_size" => size(value, 1),
            _ if field.starts_with("userdb_quota") || LIMITS.contains(&field) => None,
            _ => continue,
        };
        match (quota, row.quota) {
            (Some(quota), None) => row.quota = Some(quota),
            (Some(quota), Some(before)) if quota == before => {}
            _ => row.left_out.push(field.to_owned()),
        }
    }
    row
}

// quota_rule = "*:" ("storage=" SIZE / "bytes=" SIZE), in kilobytes and in bytes: what an account has a word for.
fn of_rule(rule: &str) -> Option<u64> {
    let limit = rule.strip_prefix("*:")?;
    let kilobytes = limit.strip_prefix("storage=").map(|text| (text, 1024));
    let (text, unit) = kilobytes.or_else(|| Some((limit.strip_prefix("bytes=")?, 1)))?;
    size(text, unit)
}

/// The bytes of a size as Dovecot writes it; `unit` is what a number alone counts.
fn size(text: &str, unit: u64) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
    let unit = match suffix {
        "" => unit,
        "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    let bytes = number.parse::<u64>().ok()?.checked_mul(unit)?;
    i64::try_from(bytes).is_ok().then_some(bytes)
}
