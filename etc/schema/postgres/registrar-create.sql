-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "aliases" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"ruid" VARCHAR(64) NOT NULL DEFAULT '',
	"username" VARCHAR(64) NOT NULL DEFAULT '',
	"domain" VARCHAR(64),
	"contact" VARCHAR(255) NOT NULL DEFAULT '',
	"received" VARCHAR(255),
	"path" VARCHAR(512),
	"expires" TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '2030-05-28 21:32:15',
	"q" REAL NOT NULL DEFAULT 1.0,
	"callid" VARCHAR(255) NOT NULL DEFAULT 'Default-Call-ID',
	"cseq" INTEGER NOT NULL DEFAULT 1,
	"last_modified" TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '2000-01-01 00:00:01',
	"flags" INTEGER NOT NULL DEFAULT 0,
	"cflags" INTEGER NOT NULL DEFAULT 0,
	"user_agent" VARCHAR(255) NOT NULL DEFAULT '',
	"socket" VARCHAR(64),
	"methods" INTEGER,
	"instance" VARCHAR(255),
	"reg_id" INTEGER NOT NULL DEFAULT 0,
	"server_id" INTEGER NOT NULL DEFAULT 0,
	"connection_id" INTEGER NOT NULL DEFAULT 0,
	"keepalive" INTEGER NOT NULL DEFAULT 0,
	"partition" INTEGER NOT NULL DEFAULT 0,
	CONSTRAINT "aliases_ruid_idx" UNIQUE ("ruid")
);
CREATE INDEX "aliases_account_contact_idx" ON "aliases" ("username", "domain", "contact");
CREATE INDEX "aliases_expires_idx" ON "aliases" ("expires");
INSERT INTO "version" ("table_name", "table_version") VALUES ('aliases', 8);
