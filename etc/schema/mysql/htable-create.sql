-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `htable` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`key_name` VARCHAR(64) NOT NULL DEFAULT '',
	`key_type` INT NOT NULL DEFAULT 0,
	`value_type` INT NOT NULL DEFAULT 0,
	`key_value` VARCHAR(128) NOT NULL DEFAULT '',
	`expires` INT NOT NULL DEFAULT 0
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('htable', 2);
