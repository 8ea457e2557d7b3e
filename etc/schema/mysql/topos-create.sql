-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `topos_d` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`rectime` DATETIME NOT NULL,
	`x_context` VARCHAR(64) NOT NULL DEFAULT '',
	`s_method` VARCHAR(64) NOT NULL DEFAULT '',
	`s_cseq` VARCHAR(64) NOT NULL DEFAULT '',
	`a_callid` VARCHAR(255) NOT NULL DEFAULT '',
	`a_uuid` VARCHAR(255) NOT NULL DEFAULT '',
	`b_uuid` VARCHAR(255) NOT NULL DEFAULT '',
	`a_contact` VARCHAR(512) NOT NULL DEFAULT '',
	`b_contact` VARCHAR(512) NOT NULL DEFAULT '',
	`as_contact` VARCHAR(512) NOT NULL DEFAULT '',
	`bs_contact` VARCHAR(512) NOT NULL DEFAULT '',
	`a_tag` VARCHAR(255) NOT NULL DEFAULT '',
	`b_tag` VARCHAR(255) NOT NULL DEFAULT '',
	`a_rr` MEDIUMTEXT,
	`b_rr` MEDIUMTEXT,
	`s_rr` MEDIUMTEXT,
	`iflags` INT(10) UNSIGNED NOT NULL DEFAULT 0,
	`a_uri` VARCHAR(255) NOT NULL DEFAULT '',
	`b_uri` VARCHAR(255) NOT NULL DEFAULT '',
	`r_uri` VARCHAR(255) NOT NULL DEFAULT '',
	`a_srcaddr` VARCHAR(128) NOT NULL DEFAULT '',
	`b_srcaddr` VARCHAR(128) NOT NULL DEFAULT '',
	`a_socket` VARCHAR(128) NOT NULL DEFAULT '',
	`b_socket` VARCHAR(128) NOT NULL DEFAULT ''
);
CREATE INDEX `rectime_idx` ON `topos_d` (`rectime`);
CREATE INDEX `a_callid_idx` ON `topos_d` (`a_callid`);
CREATE INDEX `a_uuid_idx` ON `topos_d` (`a_uuid`);
CREATE INDEX `b_uuid_idx` ON `topos_d` (`b_uuid`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('topos_d', 2);

CREATE TABLE `topos_t` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`rectime` DATETIME NOT NULL,
	`x_context` VARCHAR(64) NOT NULL DEFAULT '',
	`s_method` VARCHAR(64) NOT NULL DEFAULT '',
	`s_cseq` VARCHAR(64) NOT NULL DEFAULT '',
	`a_callid` VARCHAR(255) NOT NULL DEFAULT '',
	`a_uuid` VARCHAR(255) NOT NULL DEFAULT '',
	`b_uuid` VARCHAR(255) NOT NULL DEFAULT '',
	`direction` INT NOT NULL DEFAULT 0,
	`x_via` MEDIUMTEXT,
	`x_vbranch` VARCHAR(255) NOT NULL DEFAULT '',
	`x_rr` MEDIUMTEXT,
	`y_rr` MEDIUMTEXT,
	`s_rr` MEDIUMTEXT,
	`x_uri` VARCHAR(255) NOT NULL DEFAULT '',
	`a_contact` VARCHAR(512) NOT NULL DEFAULT '',
	`b_contact` VARCHAR(512) NOT NULL DEFAULT '',
	`as_contact` VARCHAR(512) NOT NULL DEFAULT '',
	`bs_contact` VARCHAR(512) NOT NULL DEFAULT '',
	`x_tag` VARCHAR(255) NOT NULL DEFAULT '',
	`a_tag` VARCHAR(255) NOT NULL DEFAULT '',
	`b_tag` VARCHAR(255) NOT NULL DEFAULT '',
	`a_srcaddr` VARCHAR(255) NOT NULL DEFAULT '',
	`b_srcaddr` VARCHAR(255) NOT NULL DEFAULT '',
	`a_socket` VARCHAR(128) NOT NULL DEFAULT '',
	`b_socket` VARCHAR(128) NOT NULL DEFAULT ''
);
CREATE INDEX `rectime_idx` ON `topos_t` (`rectime`);
CREATE INDEX `a_callid_idx` ON `topos_t` (`a_callid`);
CREATE INDEX `x_vbranch_idx` ON `topos_t` (`x_vbranch`);
CREATE INDEX `a_uuid_idx` ON `topos_t` (`a_uuid`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('topos_t', 2);
