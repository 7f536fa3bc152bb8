-- Application passwords, also those that are good no more. A verifier is an HMAC-SHA-256 under a key that is named here, and
-- lies elsewhere; services are a bit each, networks are separated by blanks. The number is never another's.
ALTER TABLE state ADD COLUMN app_password INTEGER NOT NULL DEFAULT 0;
CREATE TABLE app_passwords (
    number INTEGER NOT NULL PRIMARY KEY,
    account BLOB NOT NULL REFERENCES resources (id),
    version BIGINT NOT NULL,
    key_id BIGINT NOT NULL,
    verifier BLOB NOT NULL,
    label TEXT NOT NULL,
    services INTEGER NOT NULL,
    networks TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    used BIGINT,
    used_from TEXT,
    revoked BIGINT,
    replaces BLOB,
    UNIQUE (key_id, verifier)
);
CREATE INDEX app_passwords_of_account ON app_passwords (account, number);
CREATE UNIQUE INDEX app_passwords_by_version ON app_passwords (version);
