-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `dr_gateways` (
	`gwid` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`type` INT(11) UNSIGNED NOT NULL DEFAULT 0,
	`address` VARCHAR(128) NOT NULL,
	`strip` INT(11) UNSIGNED NOT NULL DEFAULT 0,
	`pri_prefix` VARCHAR(64),
	`attrs` VARCHAR(255),
	`description` VARCHAR(128) NOT NULL DEFAULT ''
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('dr_gateways', 3);

CREATE TABLE `dr_rules` (
	`ruleid` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`groupid` VARCHAR(255) NOT NULL,
	`prefix` VARCHAR(64) NOT NULL,
	`timerec` VARCHAR(255) NOT NULL,
	`priority` INT(11) NOT NULL DEFAULT 0,
	`routeid` VARCHAR(64) NOT NULL,
	`gwlist` VARCHAR(255) NOT NULL,
	`description` VARCHAR(128) NOT NULL DEFAULT ''
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('dr_rules', 3);

CREATE TABLE `dr_gw_lists` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`gwlist` VARCHAR(255) NOT NULL,
	`description` VARCHAR(128) NOT NULL DEFAULT ''
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('dr_gw_lists', 1);

CREATE TABLE `dr_groups` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`username` VARCHAR(64) NOT NULL,
	`domain` VARCHAR(128) NOT NULL DEFAULT '',
	`groupid` INT(11) UNSIGNED NOT NULL DEFAULT 0,
	`description` VARCHAR(128) NOT NULL DEFAULT ''
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('dr_groups', 2);
