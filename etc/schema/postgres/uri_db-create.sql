-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "uri" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"username" VARCHAR(64) NOT NULL DEFAULT '',
	"domain" VARCHAR(64) NOT NULL DEFAULT '',
	"uri_user" VARCHAR(64) NOT NULL DEFAULT '',
	"last_modified" TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '2000-01-01 00:00:01',
	CONSTRAINT "uri_account_idx" UNIQUE ("username", "domain", "uri_user")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('uri', 1);
