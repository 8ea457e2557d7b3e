-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "subscriber" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"username" VARCHAR(64) NOT NULL DEFAULT '',
	"domain" VARCHAR(64) NOT NULL DEFAULT '',
	"password" VARCHAR(64) NOT NULL DEFAULT '',
	"ha1" VARCHAR(128) NOT NULL DEFAULT '',
	"ha1b" VARCHAR(128) NOT NULL DEFAULT '',
	CONSTRAINT "subscriber_account_idx" UNIQUE ("username", "domain")
);
CREATE INDEX "subscriber_username_idx" ON "subscriber" ("username");
INSERT INTO "version" ("table_name", "table_version") VALUES ('subscriber', 7);
