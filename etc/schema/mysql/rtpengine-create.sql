-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `rtpengine` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`setid` INT(10) UNSIGNED NOT NULL DEFAULT 0,
	`url` VARCHAR(64) NOT NULL,
	`weight` INT(10) UNSIGNED NOT NULL DEFAULT 1,
	`disabled` INT(1) NOT NULL DEFAULT 0,
	`stamp` DATETIME NOT NULL DEFAULT '1900-01-01 00:00:01',
	CONSTRAINT `rtpengine_nodes` UNIQUE (`setid`, `url`)
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('rtpengine', 1);
