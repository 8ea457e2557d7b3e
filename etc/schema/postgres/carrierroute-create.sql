-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "carrierroute" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"carrier" INTEGER NOT NULL DEFAULT 0,
	"domain" INTEGER NOT NULL DEFAULT 0,
	"scan_prefix" VARCHAR(64) NOT NULL DEFAULT '',
	"flags" INTEGER NOT NULL DEFAULT 0,
	"mask" INTEGER NOT NULL DEFAULT 0,
	"prob" REAL NOT NULL DEFAULT 0,
	"strip" INTEGER NOT NULL DEFAULT 0,
	"rewrite_host" VARCHAR(255) NOT NULL DEFAULT '',
	"rewrite_prefix" VARCHAR(64) NOT NULL DEFAULT '',
	"rewrite_suffix" VARCHAR(64) NOT NULL DEFAULT '',
	"description" VARCHAR(255)
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('carrierroute', 3);

CREATE TABLE "carrierfailureroute" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"carrier" INTEGER NOT NULL DEFAULT 0,
	"domain" INTEGER NOT NULL DEFAULT 0,
	"scan_prefix" VARCHAR(64) NOT NULL DEFAULT '',
	"host_name" VARCHAR(255) NOT NULL DEFAULT '',
	"reply_code" VARCHAR(3) NOT NULL DEFAULT '',
	"flags" INTEGER NOT NULL DEFAULT 0,
	"mask" INTEGER NOT NULL DEFAULT 0,
	"next_domain" INTEGER NOT NULL DEFAULT 0,
	"description" VARCHAR(255)
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('carrierfailureroute', 2);

CREATE TABLE "carrier_name" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"carrier" VARCHAR(64)
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('carrier_name', 1);

CREATE TABLE "domain_name" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"domain" VARCHAR(64)
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('domain_name', 1);
