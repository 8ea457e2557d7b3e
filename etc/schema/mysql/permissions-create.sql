-- Written by utils/make-schema from etc/schema/tables.txt; changes belong there.

CREATE TABLE `address` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`grp` INT(11) UNSIGNED NOT NULL DEFAULT 1,
	`ip_addr` VARCHAR(50) NOT NULL,
	`mask` INT NOT NULL DEFAULT 32,
	`port` SMALLINT(5) UNSIGNED NOT NULL DEFAULT 0,
	`tag` VARCHAR(64)
);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('address', 6);

CREATE TABLE `trusted` (
	`id` INT(10) UNSIGNED AUTO_INCREMENT PRIMARY KEY NOT NULL,
	`src_ip` VARCHAR(50) NOT NULL,
	`proto` VARCHAR(4) NOT NULL,
	`from_pattern` VARCHAR(64),
	`ruri_pattern` VARCHAR(64),
	`tag` VARCHAR(64),
	`priority` INT NOT NULL DEFAULT 0
);
CREATE INDEX `peer_idx` ON `trusted` (`src_ip`);
INSERT INTO `version` (`table_name`, `table_version`) VALUES ('trusted', 6);
