-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `uid_user_attrs` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`uid` VARCHAR(64) NOT NULL,
	`name` VARCHAR(32) NOT NULL,
	`value` VARCHAR(128),
	`type` INT NOT NULL DEFAULT 0,
	`flags` INT UNSIGNED NOT NULL DEFAULT 0,
	CONSTRAINT `userattrs_idx` UNIQUE (`uid`, `name`, `value`)
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('uid_user_attrs', 3);
