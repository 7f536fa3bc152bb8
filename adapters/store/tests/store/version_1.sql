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

PRAGMA user_version = 1;
PRAGMA application_id = 1734440037;

INSERT INTO sources VALUES (1, 'Keycloak', 'keycloak', 1796000000000);
INSERT INTO secrets VALUES
    (3, 1, x'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'first', 1796000000000, NULL);
INSERT INTO resources VALUES
    (1, x'000000000000000000000000000000a1', 0, 1, 1, 1796000000000, 1796000000000, NULL, '1f', 'Alice', 'alice',
     'Alice Liddell', 'alice@example.org', 'a.liddell@example.org al@example.org', 'alice@elsewhere.example', 1,
     1073741824, '["alice@elsewhere.example","alice@example.org"]', '{"userName":"Alice"}'),
    (2, x'000000000000000000000000000000b2', 0, 1, 5, 1796000000000, 1796000001000, 1796000001000, '2f', 'Bob', 'bob',
     NULL, 'bob@example.org', '', '', 0, NULL, '[]', '{"userName":"Bob"}'),
    (3, x'000000000000000000000000000000c3', 1, 1, 7, 1796000000000, 1796000001000, NULL, NULL, 'Tea party',
     'tea party', NULL, NULL, '', '', 1, NULL, '[]', '{"displayName":"Tea party"}');
INSERT INTO addresses VALUES
    ('a.liddell@example.org', x'000000000000000000000000000000a1'),
    ('al@example.org', x'000000000000000000000000000000a1'),
    ('alice@example.org', x'000000000000000000000000000000a1');
INSERT INTO former_owners VALUES ('bob@example.org', x'000000000000000000000000000000b2');
INSERT INTO emails VALUES
    ('alice@elsewhere.example', x'000000000000000000000000000000a1'),
    ('alice@example.org', x'000000000000000000000000000000a1');
INSERT INTO members VALUES (x'000000000000000000000000000000c3', x'000000000000000000000000000000a1', 0);
INSERT INTO member_changes VALUES
    (4, x'000000000000000000000000000000c3', x'000000000000000000000000000000a1000000000000000000000000000000b2', x''),
    (6, x'000000000000000000000000000000c3', x'', x'000000000000000000000000000000b2');
UPDATE state SET sequence = 7, secret = 3;
