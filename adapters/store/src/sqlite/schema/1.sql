-- One row: the number of the last change, up to which number changes of members are forgotten, and the number of the
-- last secret.
CREATE TABLE state (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    sequence BIGINT NOT NULL,
    forgotten BIGINT NOT NULL,
    secret INTEGER NOT NULL
);
INSERT INTO state (one, sequence, forgotten, secret) VALUES (1, 0, 0, 0);

-- Times are milliseconds since 1970 in UTC; a folded name has its ASCII letters in lower case.
CREATE TABLE sources (
    source INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    created BIGINT NOT NULL
);

-- A hash is the SHA-256 of a bearer secret.
CREATE TABLE secrets (
    secret INTEGER NOT NULL PRIMARY KEY,
    source INTEGER NOT NULL REFERENCES sources (source),
    hash BLOB NOT NULL UNIQUE,
    label TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT
);
CREATE INDEX secrets_of_source ON secrets (source);

-- Accounts (kind 0) and groups (kind 1), deleted ones too. Addresses are separated by blanks; e-mail addresses, by
-- which an account is found, are a JSON array. The document is a JSON object.
CREATE TABLE resources (
    position INTEGER NOT NULL PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    source INTEGER NOT NULL REFERENCES sources (source),
    version BIGINT NOT NULL,
    created BIGINT NOT NULL,
    modified BIGINT NOT NULL,
    deleted BIGINT,
    external_id TEXT,
    name TEXT NOT NULL,
    folded TEXT NOT NULL,
    display_name TEXT,
    mailbox TEXT,
    aliases TEXT NOT NULL,
    forwarding TEXT NOT NULL,
    active INTEGER NOT NULL,
    quota BIGINT,
    emails TEXT NOT NULL,
    document TEXT NOT NULL
);
-- With "deleted", it answers by itself how many there are, and which is the first of a page.
CREATE INDEX resources_in_order ON resources (kind, source, position, deleted) WHERE deleted IS NULL;
CREATE UNIQUE INDEX resources_by_name ON resources (kind, source, folded) WHERE deleted IS NULL;
CREATE UNIQUE INDEX resources_by_external_id ON resources (kind, source, external_id)
    WHERE deleted IS NULL AND external_id IS NOT NULL;
CREATE INDEX deleted_by_external_id ON resources (kind, source, external_id, version)
    WHERE deleted IS NOT NULL AND external_id IS NOT NULL;
CREATE UNIQUE INDEX resources_by_version ON resources (version);

-- Who has an address, over all sources; and who had it last, of those who have it no more.
CREATE TABLE addresses (
    address TEXT NOT NULL PRIMARY KEY,
    account BLOB NOT NULL REFERENCES resources (id)
) WITHOUT ROWID;
CREATE TABLE former_owners (
    address TEXT NOT NULL PRIMARY KEY,
    account BLOB NOT NULL REFERENCES resources (id)
) WITHOUT ROWID;

-- E-mail addresses of accounts that are not deleted.
CREATE TABLE emails (
    email TEXT NOT NULL,
    account BLOB NOT NULL REFERENCES resources (id),
    PRIMARY KEY (email, account)
) WITHOUT ROWID;

CREATE TABLE members (
    group_id BLOB NOT NULL REFERENCES resources (id),
    member BLOB NOT NULL REFERENCES resources (id),
    kind INTEGER NOT NULL,
    PRIMARY KEY (group_id, member)
) WITHOUT ROWID;
CREATE INDEX groups_of_member ON members (member, group_id);

-- Changes of members, for whoever asks what changed: ids of 16 bytes, one after the other.
CREATE TABLE member_changes (
    sequence INTEGER NOT NULL PRIMARY KEY,
    group_id BLOB NOT NULL,
    added BLOB NOT NULL,
    removed BLOB NOT NULL
);
