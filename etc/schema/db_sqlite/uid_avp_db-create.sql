-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "uid_user_attrs" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"uid" VARCHAR(64) NOT NULL,
	"name" VARCHAR(32) NOT NULL,
	"value" VARCHAR(128),
	"type" INTEGER NOT NULL DEFAULT 0,
	"flags" INTEGER NOT NULL DEFAULT 0,
	CONSTRAINT "uid_user_attrs_userattrs_idx" UNIQUE ("uid", "name", "value")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('uid_user_attrs', 3);
