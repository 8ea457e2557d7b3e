-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `aliases` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`ruid` VARCHAR(64) NOT NULL DEFAULT '',
	`username` VARCHAR(64) NOT NULL DEFAULT '',
	`domain` VARCHAR(64),
	`contact` VARCHAR(255) NOT NULL DEFAULT '',
	`received` VARCHAR(255),
	`path` VARCHAR(512),
	`expires` DATETIME NOT NULL DEFAULT '2030-05-28 21:32:15',
	`q` FLOAT(10,2) NOT NULL DEFAULT 1.0,
	`callid` VARCHAR(255) NOT NULL DEFAULT 'Default-Call-ID',
	`cseq` INT(11) NOT NULL DEFAULT 1,
	`last_modified` DATETIME NOT NULL DEFAULT '2000-01-01 00:00:01',
	`flags` INT(11) NOT NULL DEFAULT 0,
	`cflags` INT(11) NOT NULL DEFAULT 0,
	`user_agent` VARCHAR(255) NOT NULL DEFAULT '',
	`socket` VARCHAR(64),
	`methods` INT(11),
	`instance` VARCHAR(255),
	`reg_id` INT(11) NOT NULL DEFAULT 0,
	`server_id` INT(11) NOT NULL DEFAULT 0,
	`connection_id` INT(11) NOT NULL DEFAULT 0,
	`keepalive` INT(11) NOT NULL DEFAULT 0,
	`partition` INT(11) NOT NULL DEFAULT 0,
	CONSTRAINT `ruid_idx` UNIQUE (`ruid`)
);
CREATE INDEX `account_contact_idx` ON `aliases` (`username`, `domain`, `contact`);
CREATE INDEX `expires_idx` ON `aliases` (`expires`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('aliases', 8);
