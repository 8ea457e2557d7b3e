-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `dispatcher` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`setid` INT NOT NULL DEFAULT 0,
	`destination` VARCHAR(192) NOT NULL DEFAULT '',
	`flags` INT NOT NULL DEFAULT 0,
	`priority` INT NOT NULL DEFAULT 0,
	`attrs` VARCHAR(128) NOT NULL DEFAULT '',
	`description` VARCHAR(64) NOT NULL DEFAULT ''
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('dispatcher', 4);
