-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE "address" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"grp" INTEGER NOT NULL DEFAULT 1,
	"ip_addr" VARCHAR(50) NOT NULL,
	"mask" INTEGER NOT NULL DEFAULT 32,
	"port" SMALLINT NOT NULL DEFAULT 0,
	"tag" VARCHAR(64)
);
INSERT INTO "version" ("table_name", "table_version") VALUES ('address', 6);

CREATE TABLE "trusted" (
	"id" SERIAL PRIMARY KEY NOT NULL,
	"src_ip" VARCHAR(50) NOT NULL,
	"proto" VARCHAR(4) NOT NULL,
	"from_pattern" VARCHAR(64),
	"ruri_pattern" VARCHAR(64),
	"tag" VARCHAR(64),
	"priority" INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX "trusted_peer_idx" ON "trusted" ("src_ip");
INSERT INTO "version" ("table_name", "table_version") VALUES ('trusted', 6);
