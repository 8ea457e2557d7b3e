-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `cpl` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`username` VARCHAR(64) NOT NULL,
	`domain` VARCHAR(64) NOT NULL DEFAULT '',
	`cpl_xml` TEXT,
	`cpl_bin` TEXT,
	CONSTRAINT `account_idx` UNIQUE (`username`, `domain`)
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('cpl', 1);
