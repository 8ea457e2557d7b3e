-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `uid_global_attrs` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`name` VARCHAR(32) NOT NULL,
	`type` INT NOT NULL DEFAULT 0,
	`value` VARCHAR(128),
	`flags` INT UNSIGNED NOT NULL DEFAULT 0,
	CONSTRAINT `global_attrs_idx` UNIQUE (`name`, `value`)
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('uid_global_attrs', 1);
