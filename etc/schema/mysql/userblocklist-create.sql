-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `userblocklist` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`username` VARCHAR(64) NOT NULL DEFAULT '',
	`domain` VARCHAR(64) NOT NULL DEFAULT '',
	`prefix` VARCHAR(64) NOT NULL DEFAULT '',
	`allowlist` TINYINT(1) NOT NULL DEFAULT 0
);
CREATE INDEX `userblocklist_idx` ON `userblocklist` (`username`, `domain`, `prefix`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('userblocklist', 1);

CREATE TABLE `globalblocklist` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`prefix` VARCHAR(64) NOT NULL DEFAULT '',
	`allowlist` TINYINT(1) NOT NULL DEFAULT 0,
	`description` VARCHAR(255)
);
CREATE INDEX `globalblocklist_idx` ON `globalblocklist` (`prefix`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('globalblocklist', 1);
