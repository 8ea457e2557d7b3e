-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "domain" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"domain" VARCHAR(64) NOT NULL,
	"did" VARCHAR(64),
	"last_modified" TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '2000-01-01 00:00:01',
	CONSTRAINT "domain_domain_idx" UNIQUE ("domain")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('domain', 2);

CREATE TABLE "domain_attrs" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"did" VARCHAR(64) NOT NULL,
	"name" VARCHAR(32) NOT NULL,
	"type" INTEGER NOT NULL,
	"value" VARCHAR(255) NOT NULL,
	"last_modified" TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '2000-01-01 00:00:01'
);
CREATE INDEX "domain_attrs_domain_attrs_idx" ON "domain_attrs" ("did", "name");
INSERT INTO "version" ("table_name", "table_version") VALUES ('domain_attrs', 1);
