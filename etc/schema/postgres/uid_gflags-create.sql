-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "uid_global_attrs" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"name" VARCHAR(32) NOT NULL,
	"type" INTEGER NOT NULL DEFAULT 0,
	"value" VARCHAR(128),
	"flags" INTEGER NOT NULL DEFAULT 0,
	CONSTRAINT "uid_global_attrs_global_attrs_idx" UNIQUE ("name", "value")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('uid_global_attrs', 1);
