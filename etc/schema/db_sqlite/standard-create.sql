-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "version" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"table_name" VARCHAR(32) NOT NULL,
	"table_version" INTEGER NOT NULL DEFAULT 0,
	CONSTRAINT "version_table_name_idx" UNIQUE ("table_name")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('version', 1);
