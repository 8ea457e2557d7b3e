-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `pl_pipes` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`pipeid` VARCHAR(64) NOT NULL DEFAULT '',
	`algorithm` VARCHAR(32) NOT NULL DEFAULT '',
	`plimit` INT NOT NULL DEFAULT 0
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('pl_pipes', 1);
