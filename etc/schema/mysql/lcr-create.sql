-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `lcr_gw` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`lcr_id` SMALLINT UNSIGNED NOT NULL,
	`gw_name` VARCHAR(128),
	`ip_addr` VARCHAR(50),
	`hostname` VARCHAR(64),
	`port` SMALLINT UNSIGNED,
	`params` VARCHAR(64),
	`uri_scheme` TINYINT UNSIGNED,
	`transport` TINYINT UNSIGNED,
	`strip` TINYINT UNSIGNED,
	`prefix` VARCHAR(16),
	`tag` VARCHAR(64),
	`flags` INT UNSIGNED NOT NULL DEFAULT 0,
	`defunct` INT UNSIGNED
);
CREATE INDEX `lcr_id_idx` ON `lcr_gw` (`lcr_id`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('lcr_gw', 3);

CREATE TABLE `lcr_rule` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`lcr_id` SMALLINT UNSIGNED NOT NULL,
	`prefix` VARCHAR(16),
	`from_uri` VARCHAR(64),
	`request_uri` VARCHAR(64),
	`mt_tvalue` VARCHAR(128),
	`stopper` INT UNSIGNED NOT NULL DEFAULT 0,
	`enabled` INT UNSIGNED NOT NULL DEFAULT 1,
	CONSTRAINT `lcr_id_prefix_from_uri_idx` UNIQUE (`lcr_id`, `prefix`, `from_uri`)
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('lcr_rule', 3);

CREATE TABLE `lcr_rule_target` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`lcr_id` SMALLINT UNSIGNED NOT NULL,
	`rule_id` INT UNSIGNED NOT NULL,
	`gw_id` INT UNSIGNED NOT NULL,
	`priority` TINYINT UNSIGNED NOT NULL,
	`weight` INT UNSIGNED NOT NULL DEFAULT 1,
	CONSTRAINT `rule_id_gw_id_idx` UNIQUE (`rule_id`, `gw_id`)
);
CREATE INDEX `lcr_id_idx` ON `lcr_rule_target` (`lcr_id`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('lcr_rule_target', 1);
