-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `sip_trace` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`time_stamp` DATETIME NOT NULL DEFAULT '2000-01-01 00:00:01',
	`time_us` INT UNSIGNED NOT NULL DEFAULT 0,
	`callid` VARCHAR(255) NOT NULL DEFAULT '',
	`traced_user` VARCHAR(255) NOT NULL DEFAULT '',
	`msg` MEDIUMTEXT NOT NULL,
	`method` VARCHAR(50) NOT NULL DEFAULT '',
	`status` VARCHAR(255) NOT NULL DEFAULT '',
	`fromip` VARCHAR(64) NOT NULL DEFAULT '',
	`toip` VARCHAR(64) NOT NULL DEFAULT '',
	`fromtag` VARCHAR(128) NOT NULL DEFAULT '',
	`totag` VARCHAR(128) NOT NULL DEFAULT '',
	`direction` VARCHAR(4) NOT NULL DEFAULT ''
);
CREATE INDEX `traced_user_idx` ON `sip_trace` (`traced_user`);
CREATE INDEX `date_idx` ON `sip_trace` (`time_stamp`);
CREATE INDEX `fromip_idx` ON `sip_trace` (`fromip`);
CREATE INDEX `callid_idx` ON `sip_trace` (`callid`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('sip_trace', 4);
