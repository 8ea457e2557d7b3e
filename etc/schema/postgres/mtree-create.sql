-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "mtree" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"tprefix" VARCHAR(32) NOT NULL DEFAULT '',
	"tvalue" VARCHAR(128) NOT NULL DEFAULT '',
	CONSTRAINT "mtree_tprefix_idx" UNIQUE ("tprefix")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('mtree', 1);

CREATE TABLE "mtrees" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"tname" VARCHAR(128) NOT NULL DEFAULT '',
	"tprefix" VARCHAR(32) NOT NULL DEFAULT '',
	"tvalue" VARCHAR(128) NOT NULL DEFAULT '',
	CONSTRAINT "mtrees_tname_tprefix_tvalue_idx" UNIQUE ("tname", "tprefix", "tvalue")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('mtrees', 2);
