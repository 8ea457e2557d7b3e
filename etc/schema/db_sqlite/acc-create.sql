-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "acc" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"method" VARCHAR(16) NOT NULL DEFAULT '',
	"from_tag" VARCHAR(128) NOT NULL DEFAULT '',
	"to_tag" VARCHAR(128) NOT NULL DEFAULT '',
	"callid" VARCHAR(255) NOT NULL DEFAULT '',
	"sip_code" VARCHAR(3) NOT NULL DEFAULT '',
	"sip_reason" VARCHAR(128) NOT NULL DEFAULT '',
	"time" TIMESTAMP WITHOUT TIME ZONE NOT NULL
);
CREATE INDEX "acc_callid_idx" ON "acc" ("callid");
INSERT INTO "version" ("table_name", "table_version") VALUES ('acc', 5);

CREATE TABLE "acc_cdrs" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"start_time" TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '2000-01-01 00:00:00',
	"end_time" TIMESTAMP WITHOUT TIME ZONE NOT NULL DEFAULT '2000-01-01 00:00:00',
	"duration" REAL NOT NULL DEFAULT 0
);
CREATE INDEX "acc_cdrs_start_time_idx" ON "acc_cdrs" ("start_time");
INSERT INTO "version" ("table_name", "table_version") VALUES ('acc_cdrs', 2);

CREATE TABLE "missed_calls" (
	"id" INTEGER PRIMARY KEY NOT NULL,
	"method" VARCHAR(16) NOT NULL DEFAULT '',
	"from_tag" VARCHAR(128) NOT NULL DEFAULT '',
	"to_tag" VARCHAR(128) NOT NULL DEFAULT '',
	"callid" VARCHAR(255) NOT NULL DEFAULT '',
	"sip_code" VARCHAR(3) NOT NULL DEFAULT '',
	"sip_reason" VARCHAR(128) NOT NULL DEFAULT '',
	"time" TIMESTAMP WITHOUT TIME ZONE NOT NULL
);
CREATE INDEX "missed_calls_callid_idx" ON "missed_calls" ("callid");
INSERT INTO "version" ("table_name", "table_version") VALUES ('missed_calls', 4);
