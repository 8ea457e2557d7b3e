-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `dbaliases` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`alias_username` VARCHAR(64) NOT NULL DEFAULT '',
	`alias_domain` VARCHAR(64) NOT NULL DEFAULT '',
	`username` VARCHAR(64) NOT NULL DEFAULT '',
	`domain` VARCHAR(64) NOT NULL DEFAULT ''
);
CREATE INDEX `alias_user_idx` ON `dbaliases` (`alias_username`);
CREATE INDEX `alias_idx` ON `dbaliases` (`alias_username`, `alias_domain`);
CREATE INDEX `target_idx` ON `dbaliases` (`username`, `domain`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('dbaliases', 1);
