-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "rtpproxy" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"setid" VARCHAR(32) NOT NULL DEFAULT 00,
	"url" VARCHAR(64) NOT NULL DEFAULT '',
	"flags" INTEGER NOT NULL DEFAULT 0,
	"weight" INTEGER NOT NULL DEFAULT 1,
	"description" VARCHAR(64) NOT NULL DEFAULT ''
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('rtpproxy', 1);
