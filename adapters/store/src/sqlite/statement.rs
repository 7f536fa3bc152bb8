//! Every statement of a transaction: standard SQL, whose questions an index answers.
//!
//! `CROSS JOIN` names the table first that is to be read first. Parameters are numbered as they come.

/// What a resource is made of.
macro_rules! resource_columns {
    () => {
        "r.id, r.kind, r.source, r.version, r.position, r.created, r.modified, r.deleted, r.external_id, r.name, \
         r.display_name, r.mailbox, r.aliases, r.forwarding, r.active, r.quota, r.subject"
    };
}

/// What an application password is made of.
macro_rules! passwords {
    ($rest:literal) => {
        concat!(
            "SELECT number, account, version, key_id, verifier, label, services, networks, created, expires, used, \
             used_from, revoked, replaces FROM app_passwords ",
            $rest
        )
    };
}

/// A question for records.
macro_rules! records {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            resource_columns!(),
            ", r.emails, r.document FROM ",
            $rest
        )
    };
}

/// A question that finds resources by a key.
pub(super) struct Question {
    /// For all of them.
    pub(super) records: &'static str,
    /// For where they are.
    pub(super) positions: &'static str,
}

macro_rules! question {
    ($rest:literal) => {
        Question {
            records: records!($rest),
            positions: concat!("SELECT r.position FROM ", $rest),
        }
    };
}

pub(super) const BY_ID: Question = question!(
    "resources r WHERE r.kind = ?1 AND r.source = ?2 AND r.id = ?3 AND r.deleted IS NULL \
     ORDER BY r.position LIMIT ?4"
);
pub(super) const BY_NAME: Question = question!(
    "resources r WHERE r.kind = ?1 AND r.source = ?2 AND r.folded = ?3 AND r.deleted IS NULL \
     ORDER BY r.position LIMIT ?4"
);
pub(super) const BY_EXTERNAL_ID: Question = question!(
    "resources r WHERE r.kind = ?1 AND r.source = ?2 AND r.external_id = ?3 AND r.deleted IS NULL \
     ORDER BY r.position LIMIT ?4"
);
pub(super) const BY_SUBJECT: Question = question!(
    "resources r WHERE r.kind = ?1 AND r.source = ?2 AND r.subject = ?3 AND r.deleted IS NULL \
     ORDER BY r.position LIMIT ?4"
);
pub(super) const BY_EMAIL: Question = question!(
    "emails e CROSS JOIN resources r WHERE e.email = ?3 AND r.id = e.account \
     AND r.kind = ?1 AND r.source = ?2 AND r.deleted IS NULL ORDER BY r.position LIMIT ?4"
);
pub(super) const BY_MEMBER: Question = question!(
    "members m CROSS JOIN resources r WHERE m.member = ?3 AND r.id = m.group_id \
     AND r.kind = ?1 AND r.source = ?2 AND r.deleted IS NULL ORDER BY r.position LIMIT ?4"
);
pub(super) const AFTER: &str = records!(
    "resources r WHERE r.kind = ?1 AND r.source = ?2 AND r.deleted IS NULL AND r.position > ?3 \
     ORDER BY r.position LIMIT ?4"
);
pub(super) const POSITION: &str = "SELECT r.position FROM resources r \
     WHERE r.kind = ?1 AND r.source = ?2 AND r.deleted IS NULL ORDER BY r.position LIMIT 1 OFFSET ?3";
pub(super) const COUNT: &str =
    "SELECT count(*) FROM resources r WHERE r.kind = ?1 AND r.source = ?2 AND r.deleted IS NULL";
pub(super) const RETURNED: &str = records!(
    "resources r WHERE r.kind = ?1 AND r.source = ?2 AND r.external_id = ?3 AND r.deleted IS NOT NULL \
     ORDER BY r.version DESC LIMIT 1"
);
pub(super) const ANY_BY_ID: &str = records!("resources r WHERE r.id = ?1");
pub(super) const OWNER: &str = "SELECT r.id, r.source FROM addresses a CROSS JOIN resources r \
     WHERE a.address = ?1 AND r.id = a.account";
pub(super) const PREFIXED: &str = "SELECT r.id, r.source, a.address FROM addresses a CROSS JOIN resources r \
     WHERE a.address >= ?1 AND a.address < ?2 AND r.id = a.account ORDER BY a.address";
pub(super) const FORMER_OWNER: &str = "SELECT r.id, r.source FROM former_owners a CROSS JOIN resources r \
     WHERE a.address = ?1 AND r.id = a.account";
pub(super) const IS_KNOWN: &str =
    "SELECT 1 FROM resources r WHERE r.id = ?1 AND r.source = ?2 AND r.deleted IS NULL";

/// What a write has to know of what was there.
pub(super) const BEFORE: &str =
    "SELECT r.position, r.deleted, r.mailbox, r.aliases, r.emails FROM resources r WHERE r.id = ?1";
pub(super) const PUT: &str = "INSERT INTO resources (position, id, kind, source, version, created, modified, deleted, \
     external_id, name, folded, display_name, mailbox, aliases, forwarding, active, quota, emails, document, subject) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
     ON CONFLICT (id) DO UPDATE SET position = excluded.position, version = excluded.version, \
     created = excluded.created, modified = excluded.modified, deleted = excluded.deleted, \
     external_id = excluded.external_id, name = excluded.name, folded = excluded.folded, \
     display_name = excluded.display_name, mailbox = excluded.mailbox, aliases = excluded.aliases, \
     forwarding = excluded.forwarding, active = excluded.active, quota = excluded.quota, \
     emails = excluded.emails, document = excluded.document, subject = excluded.subject";
pub(super) const GAIN_ADDRESS: &str = "INSERT INTO addresses (address, account) VALUES (?1, ?2)";
pub(super) const LOSE_ADDRESS: &str = "DELETE FROM addresses WHERE address = ?1 AND account = ?2";
pub(super) const WAS_OWNED: &str = "INSERT INTO former_owners (address, account) VALUES (?1, ?2) \
     ON CONFLICT (address) DO UPDATE SET account = excluded.account";
pub(super) const GAIN_EMAIL: &str =
    "INSERT INTO emails (email, account) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
pub(super) const LOSE_EMAIL: &str = "DELETE FROM emails WHERE email = ?1 AND account = ?2";

pub(super) const MEMBERS: &str = "SELECT m.member, m.kind FROM members m \
     WHERE m.group_id = ?1 AND m.member > ?2 ORDER BY m.member LIMIT ?3";
pub(super) const ALL_MEMBERS: &str =
    "SELECT m.member FROM members m WHERE m.group_id = ?1 ORDER BY m.member";
pub(super) const GROUPS: &str =
    "SELECT m.group_id FROM members m WHERE m.member = ?1 ORDER BY m.group_id";
pub(super) const NAMED_GROUPS: &str = "SELECT m.group_id, r.name FROM members m CROSS JOIN resources r \
     WHERE m.member = ?1 AND r.id = m.group_id ORDER BY m.group_id LIMIT ?2";
pub(super) const JOIN: &str = "INSERT INTO members (group_id, member, kind) \
     SELECT ?1, r.id, r.kind FROM resources r WHERE r.id = ?2 ON CONFLICT DO NOTHING";
pub(super) const LEAVE: &str = "DELETE FROM members WHERE group_id = ?1 AND member = ?2";
pub(super) const LOG_MEMBERS: &str =
    "INSERT INTO member_changes (sequence, group_id, added, removed) VALUES (?1, ?2, ?3, ?4)";

pub(super) const SOURCES: &str =
    "SELECT source, name, created, derived, is_read FROM sources ORDER BY source";
pub(super) const SOURCE: &str =
    "SELECT source, name, created, derived, is_read FROM sources WHERE folded = ?1";
pub(super) const HAS_SOURCE: &str = "SELECT 1 FROM sources WHERE source = ?1";
pub(super) const ADD_SOURCE: &str = "INSERT INTO sources (source, name, folded, created) \
     SELECT coalesce(max(source), 0) + 1, ?1, ?2, ?3 FROM sources";
pub(super) const RENAME_SOURCE: &str =
    "UPDATE sources SET name = ?2, folded = ?3 WHERE source = ?1";
pub(super) const SET_DERIVED: &str = "UPDATE sources SET derived = ?2 WHERE source = ?1";
pub(super) const SET_READ: &str = "UPDATE sources SET is_read = 1 WHERE source = ?1";
pub(super) const SECRETS: &str =
    "SELECT secret, source, label, created, expires FROM secrets WHERE source = ?1 ORDER BY secret";
pub(super) const SECRET: &str =
    "SELECT secret, source, label, created, expires FROM secrets WHERE hash = ?1";
pub(super) const NEXT_SECRET: &str = "UPDATE state SET secret = secret + 1";
pub(super) const ADD_SECRET: &str = "INSERT INTO secrets (secret, source, hash, label, created, expires) \
     SELECT s.secret, ?1, ?2, ?3, ?4, ?5 FROM state s";
pub(super) const LAST_SECRET: &str = "SELECT secret FROM state";
pub(super) const REVOKE_SECRET: &str = "DELETE FROM secrets WHERE secret = ?1 AND source = ?2";

pub(super) const IS_ACCOUNT: &str =
    "SELECT 1 FROM resources r WHERE r.id = ?1 AND r.kind = 0 AND r.deleted IS NULL";
pub(super) const PASSWORDS: &str = passwords!("WHERE account = ?1 ORDER BY number");
pub(super) const NEXT_PASSWORD: &str = "UPDATE state SET app_password = app_password + 1";
pub(super) const ADD_PASSWORD: &str = "INSERT INTO app_passwords (number, account, version, key_id, verifier, label, \
     services, networks, created, expires, replaces) \
     SELECT s.app_password, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM state s";
pub(super) const LAST_PASSWORD: &str =
    passwords!("WHERE number = (SELECT app_password FROM state)");
pub(super) const REVOKE_PASSWORD: &str =
    "UPDATE app_passwords SET revoked = ?2, version = ?3 WHERE number = ?1";
pub(super) const FORGET_PASSWORD: &str = "DELETE FROM app_passwords WHERE number = ?1";
pub(super) const NOTE_USE: &str = "UPDATE app_passwords SET used = ?2, used_from = ?3 WHERE number = ?1 AND coalesce(used, 0) <= ?2";

pub(super) const TABLES: &str = "SELECT count(*) FROM sqlite_master";
pub(super) const ALL_ACCOUNTS: &str =
    "SELECT count(*) FROM resources r WHERE r.kind = 0 AND r.deleted IS NULL";
pub(super) const ALL_SOURCES: &str = "SELECT count(*) FROM sources";

pub(super) const SEQUENCE: &str = "SELECT sequence, forgotten FROM state";
pub(super) const SET_SEQUENCE: &str = "UPDATE state SET sequence = ?1";
pub(super) const LOGGED_BYTES: &str =
    "SELECT coalesce(sum(length(added) + length(removed)), 0) FROM member_changes";
pub(super) const OLDEST_LOGGED: &str =
    "SELECT sequence, length(added) + length(removed) FROM member_changes ORDER BY sequence";
pub(super) const FORGET: &str = "DELETE FROM member_changes WHERE sequence <= ?1";
pub(super) const SET_FORGOTTEN: &str = "UPDATE state SET forgotten = ?1";

/// Everything that is not deleted, for an index that has nothing.
pub(super) const ALL: &str = concat!(
    "SELECT ",
    resource_columns!(),
    " FROM resources r WHERE r.deleted IS NULL ORDER BY r.position"
);
pub(super) const ALL_MEMBERSHIPS: &str =
    "SELECT m.group_id, m.member FROM members m ORDER BY m.group_id, m.member";
pub(super) const CHANGED: &str = concat!(
    "SELECT ",
    resource_columns!(),
    " FROM resources r WHERE r.version > ?1 ORDER BY r.version"
);
pub(super) const CHANGED_MEMBERS: &str = "SELECT sequence, group_id, added, removed FROM member_changes \
     WHERE sequence > ?1 ORDER BY sequence";

pub(super) const ALL_PASSWORDS: &str = passwords!("ORDER BY number");
pub(super) const CHANGED_PASSWORDS: &str = passwords!("WHERE version > ?1 ORDER BY version");

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::sqlite::migration::migrate;

    /// Those whose answer depends on how much there is.
    const LOOK_UPS: [&str; 40] = [
        BY_ID.records,
        BY_ID.positions,
        BY_NAME.records,
        BY_NAME.positions,
        BY_EXTERNAL_ID.records,
        BY_EXTERNAL_ID.positions,
        BY_SUBJECT.records,
        BY_SUBJECT.positions,
        BY_EMAIL.records,
        BY_EMAIL.positions,
        BY_MEMBER.records,
        BY_MEMBER.positions,
        AFTER,
        POSITION,
        COUNT,
        RETURNED,
        ANY_BY_ID,
        OWNER,
        PREFIXED,
        FORMER_OWNER,
        IS_KNOWN,
        BEFORE,
        LOSE_ADDRESS,
        LOSE_EMAIL,
        MEMBERS,
        ALL_MEMBERS,
        GROUPS,
        NAMED_GROUPS,
        JOIN,
        LEAVE,
        SECRETS,
        SECRET,
        CHANGED,
        CHANGED_MEMBERS,
        IS_ACCOUNT,
        PASSWORDS,
        REVOKE_PASSWORD,
        FORGET_PASSWORD,
        NOTE_USE,
        CHANGED_PASSWORDS,
    ];

    #[test]
    fn an_index_answers_every_question_and_sorts_every_list() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        for statement in LOOK_UPS {
            let mut plan = connection
                .prepare(&format!("EXPLAIN QUERY PLAN {statement}"))
                .unwrap();
            let steps = plan.raw_query().mapped(|row| row.get::<_, String>(3));
            let steps: Vec<_> = steps.map(Result::unwrap).collect();
            let is_slow = |step: &String| step.starts_with("SCAN");
            assert!(!steps.iter().any(is_slow), "{statement}\n{steps:?}");
            let lists = [AFTER, POSITION, COUNT].contains(&statement);
            let reads_all = steps.iter().any(|step| step.contains("resources_in_order"));
            assert_eq!(lists, reads_all, "{statement}\n{steps:?}");
            // Groups of a member, and accounts of an e-mail address, are few.
            let may_sort = [BY_EMAIL, BY_MEMBER, BY_ID];
            let may_sort = may_sort
                .iter()
                .any(|one| [one.records, one.positions].contains(&statement));
            let sorts = steps.iter().any(|step| step.contains("TEMP B-TREE"));
            assert!(may_sort || !sorts, "{statement}\n{steps:?}");
        }
        for (statement, index) in [
            (AFTER, "resources_in_order"),
            (POSITION, "COVERING INDEX resources_in_order"),
            (COUNT, "COVERING INDEX resources_in_order"),
            (BY_NAME.records, "resources_by_name"),
            (BY_EXTERNAL_ID.records, "resources_by_external_id"),
            (BY_SUBJECT.records, "resources_by_subject"),
            (RETURNED, "deleted_by_external_id"),
        ] {
            let plan = format!("EXPLAIN QUERY PLAN {statement}");
            let mut plan = connection.prepare(&plan).unwrap();
            let first: String = plan.raw_query().next().unwrap().unwrap().get(3).unwrap();
            assert!(first.contains(index), "{statement}\n{first}");
        }
    }
}
