-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `usr_preferences` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`uuid` VARCHAR(64) NOT NULL DEFAULT '',
	`username` VARCHAR(255) NOT NULL DEFAULT 0,
	`domain` VARCHAR(64) NOT NULL DEFAULT '',
	`attribute` VARCHAR(32) NOT NULL DEFAULT '',
	`type` INT(11) NOT NULL DEFAULT 0,
	`value` VARCHAR(128) NOT NULL DEFAULT '',
	`last_modified` DATETIME NOT NULL DEFAULT '2000-01-01 00:00:01'
);
CREATE INDEX `ua_idx` ON `usr_preferences` (`uuid`, `attribute`);
CREATE INDEX `uda_idx` ON `usr_preferences` (`username`, `domain`, `attribute`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('usr_preferences', 2);
