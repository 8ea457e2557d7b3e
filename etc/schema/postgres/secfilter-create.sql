-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "secfilter" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"action" SMALLINT NOT NULL DEFAULT 0,
	"type" SMALLINT NOT NULL DEFAULT 0,
	"data" VARCHAR(64) NOT NULL DEFAULT ''
);
CREATE INDEX "secfilter_secfilter_idx" ON "secfilter" ("action", "type", "data");
INSERT INTO "version" ("table_name", "table_version") VALUES ('secfilter', 1);
