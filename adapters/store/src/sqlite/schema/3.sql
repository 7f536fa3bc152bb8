-- By what the addresses of all accounts of a source were derived; not known where some may have been by something else.
ALTER TABLE sources ADD COLUMN derived TEXT;
