-- By what the addresses of all accounts of a source were derived; not known where some may have been by something else.
ALTER TABLE sources ADD COLUMN derived TEXT;
-- Whether all of it was read once, if it is a provider that is read.
ALTER TABLE sources ADD COLUMN is_read INTEGER NOT NULL DEFAULT 0;
