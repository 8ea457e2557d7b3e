-- SPDX-License-Identifier: BSD-2-Clause
-- The tables of the demonstration database (SQLite): subscribers, and the version of each table.
CREATE TABLE version (
	id INTEGER PRIMARY KEY NOT NULL,
	table_name VARCHAR(32) NOT NULL UNIQUE,
	table_version INTEGER DEFAULT 0 NOT NULL
);
CREATE TABLE subscriber (
	id INTEGER PRIMARY KEY NOT NULL,
	username VARCHAR(64) DEFAULT '' NOT NULL,
	domain VARCHAR(64) DEFAULT '' NOT NULL,
	password VARCHAR(64) DEFAULT '' NOT NULL,
	ha1 VARCHAR(128) DEFAULT '' NOT NULL,
	ha1b VARCHAR(128) DEFAULT '' NOT NULL,
	CONSTRAINT subscriber_account_idx UNIQUE (username, domain)
);
CREATE INDEX subscriber_username_idx ON subscriber (username);
INSERT INTO version (table_name, table_version) VALUES ('version', 1), ('subscriber', 7);
