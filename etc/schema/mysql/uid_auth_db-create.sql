-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `uid_credentials` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`auth_username` VARCHAR(64) NOT NULL,
	`did` VARCHAR(64) NOT NULL DEFAULT '_default',
	`realm` VARCHAR(64) NOT NULL,
	`password` VARCHAR(28) NOT NULL DEFAULT '',
	`flags` INT NOT NULL DEFAULT 0,
	`ha1` VARCHAR(32) NOT NULL,
	`ha1b` VARCHAR(32) NOT NULL DEFAULT '',
	`uid` VARCHAR(64) NOT NULL
);
CREATE INDEX `cred_idx` ON `uid_credentials` (`auth_username`, `did`);
CREATE INDEX `uid` ON `uid_credentials` (`uid`);
CREATE INDEX `did_idx` ON `uid_credentials` (`did`);
CREATE INDEX `realm_idx` ON `uid_credentials` (`realm`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('uid_credentials', 7);
