-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "uacreg" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"l_uuid" VARCHAR(64) NOT NULL DEFAULT '',
	"l_username" VARCHAR(64) NOT NULL DEFAULT '',
	"l_domain" VARCHAR(64) NOT NULL DEFAULT '',
	"r_username" VARCHAR(64) NOT NULL DEFAULT '',
	"r_domain" VARCHAR(64) NOT NULL DEFAULT '',
	"realm" VARCHAR(64) NOT NULL DEFAULT '',
	"auth_username" VARCHAR(64) NOT NULL DEFAULT '',
	"auth_password" VARCHAR(64) NOT NULL DEFAULT '',
	"auth_ha1" VARCHAR(128) NOT NULL DEFAULT '',
	"auth_proxy" VARCHAR(255) NOT NULL DEFAULT '',
	"expires" INTEGER NOT NULL DEFAULT 0,
	"flags" INTEGER NOT NULL DEFAULT 0,
	"reg_delay" INTEGER NOT NULL DEFAULT 0,
	"contact_addr" VARCHAR(255) NOT NULL DEFAULT '',
	"socket" VARCHAR(128) NOT NULL DEFAULT '',
	CONSTRAINT "uacreg_l_uuid_idx" UNIQUE ("l_uuid")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('uacreg', 5);
