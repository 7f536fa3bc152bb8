-- The "sub" that a login has bound to an account: its source calls it otherwise.
ALTER TABLE resources ADD COLUMN subject TEXT;
CREATE UNIQUE INDEX resources_by_subject ON resources (kind, source, subject)
    WHERE deleted IS NULL AND subject IS NOT NULL;
