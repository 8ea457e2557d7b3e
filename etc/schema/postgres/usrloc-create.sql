-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "location" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"ruid" VARCHAR(64) NOT NULL DEFAULT '',
	"username" VARCHAR(64) NOT NULL DEFAULT '',
	"domain" VARCHAR(64),
	"contact" VARCHAR(512) NOT NULL DEFAULT '',
	"received" VARCHAR(128),
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
	CONSTRAINT "location_ruid_idx" UNIQUE ("ruid")
);
CREATE INDEX "location_account_contact_idx" ON "location" ("username", "domain", "contact");
CREATE INDEX "location_expires_idx" ON "location" ("expires");
CREATE INDEX "location_tcpcon_idx" ON "location" ("connection_id");
CREATE INDEX "location_connection_idx" ON "location" ("server_id", "connection_id");
INSERT INTO "version" ("table_name", "table_version") VALUES ('location', 9);

CREATE TABLE "location_attrs" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"ruid" VARCHAR(64) NOT NULL DEFAULT '',
	"username" VARCHAR(64) NOT NULL DEFAULT '',
	"domain" VARCHAR(64),
	"aname" VARCHAR(64) NOT NULL DEFAULT '',
	"atype" INTEGER NOT NULL DEFAULT 0,
	"avalue" VARCHAR(512) NOT NULL DEFAULT '',
	"last_modified" TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '2000-01-01 00:00:01'
);
CREATE INDEX "location_attrs_account_record_idx" ON "location_attrs" ("username", "domain", "ruid");
CREATE INDEX "location_attrs_last_modified_idx" ON "location_attrs" ("last_modified");
INSERT INTO "version" ("table_name", "table_version") VALUES ('location_attrs', 1);
