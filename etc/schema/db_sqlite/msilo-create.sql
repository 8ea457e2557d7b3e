-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "silo" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"src_addr" VARCHAR(255) NOT NULL DEFAULT '',
	"dst_addr" VARCHAR(255) NOT NULL DEFAULT '',
	"username" VARCHAR(64) NOT NULL DEFAULT '',
	"domain" VARCHAR(64) NOT NULL DEFAULT '',
	"inc_time" INTEGER NOT NULL DEFAULT 0,
	"exp_time" INTEGER NOT NULL DEFAULT 0,
	"snd_time" INTEGER NOT NULL DEFAULT 0,
	"ctype" VARCHAR(32) NOT NULL DEFAULT 'text/plain',
	"body" BLOB,
	"extra_hdrs" TEXT,
	"callid" VARCHAR(128) NOT NULL DEFAULT '',
	"status" INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX "silo_account_idx" ON "silo" ("username", "domain");
INSERT INTO "version" ("table_name", "table_version") VALUES ('silo', 8);
