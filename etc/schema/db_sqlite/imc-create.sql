-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "imc_rooms" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"name" VARCHAR(64) NOT NULL,
	"domain" VARCHAR(64) NOT NULL,
	"flag" INTEGER NOT NULL,
	CONSTRAINT "imc_rooms_name_domain_idx" UNIQUE ("name", "domain")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('imc_rooms', 1);

CREATE TABLE "imc_members" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"username" VARCHAR(64) NOT NULL,
	"domain" VARCHAR(64) NOT NULL,
	"room" VARCHAR(64) NOT NULL,
	"flag" INTEGER NOT NULL,
	CONSTRAINT "imc_members_account_room_idx" UNIQUE ("username", "domain", "room")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('imc_members', 1);
