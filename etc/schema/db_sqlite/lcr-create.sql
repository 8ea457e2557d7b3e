-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "lcr_gw" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"lcr_id" SMALLINT NOT NULL,
	"gw_name" VARCHAR(128),
	"ip_addr" VARCHAR(50),
	"hostname" VARCHAR(64),
	"port" SMALLINT,
	"params" VARCHAR(64),
	"uri_scheme" SMALLINT,
	"transport" SMALLINT,
	"strip" SMALLINT,
	"prefix" VARCHAR(16),
	"tag" VARCHAR(64),
	"flags" INTEGER NOT NULL DEFAULT 0,
	"defunct" INTEGER
);
CREATE INDEX "lcr_gw_lcr_id_idx" ON "lcr_gw" ("lcr_id");
INSERT INTO "version" ("table_name", "table_version") VALUES ('lcr_gw', 3);

CREATE TABLE "lcr_rule" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"lcr_id" SMALLINT NOT NULL,
	"prefix" VARCHAR(16),
	"from_uri" VARCHAR(64),
	"request_uri" VARCHAR(64),
	"mt_tvalue" VARCHAR(128),
	"stopper" INTEGER NOT NULL DEFAULT 0,
	"enabled" INTEGER NOT NULL DEFAULT 1,
	CONSTRAINT "lcr_rule_lcr_id_prefix_from_uri_idx" UNIQUE ("lcr_id", "prefix", "from_uri")
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('lcr_rule', 3);

CREATE TABLE "lcr_rule_target" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"lcr_id" SMALLINT NOT NULL,
	"rule_id" INTEGER NOT NULL,
	"gw_id" INTEGER NOT NULL,
	"priority" SMALLINT NOT NULL,
	"weight" INTEGER NOT NULL DEFAULT 1,
	CONSTRAINT "lcr_rule_target_rule_id_gw_id_idx" UNIQUE ("rule_id", "gw_id")
);
CREATE INDEX "lcr_rule_target_lcr_id_idx" ON "lcr_rule_target" ("lcr_id");
INSERT INTO "version" ("table_name", "table_version") VALUES ('lcr_rule_target', 1);
