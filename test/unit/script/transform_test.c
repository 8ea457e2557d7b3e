/* SPDX-License-Identifier: BSD-2-Clause */
/* Every transformation with the result that the peer (5.6.3) gave for the same text, where it has the
 * transformation and does not misbehave; then the others. */
#include "script_fixture.h"

struct row {
	const char *input, *transformation, *result;
};

static const struct row like_the_peer[] = {
	{ "Hello World", "s.len", "11" },
	{ "Hello World", "s.int", "" },
	{ "Hello World", "s.md5", "b10a8db164e0754105b7a99be72e3fe5" },
	{ "Hello World", "s.sha256", "a591a6d40bf420404a011733cfb7b190d62c65bf0bcda32b57b277d9ad9f146e" },
	{ "Hello World", "s.sha384", "99514329186b2f6ae4a1329e7ee6c610a729636335174ac6b740f9028396fcc803d0e93863a7c3d90f86beee782f4f3f" },
	{ "Hello World", "s.sha512", "2c74fd17edafd80e8447b0d46741ee243b7eb74dd2149a0ab1b9246fb30382f27e853d8585719e0e67cbda0daa8f51671064615d645ae27acb15bfb1447f459b" },
	{ "Hello World", "s.substr,0,5", "Hello" },
	{ "Hello World", "s.substr,6,0", "World" },
	{ "Hello World", "s.substr,-5,0", "World" },
	{ "Hello World", "s.substr,-5,2", "Wo" },
	{ "Hello World", "s.substr,20,1", "" },
	{ "Hello World", "s.substr,3,99", "lo World" },
	{ "Hello World", "s.substr,-20,3", "" },
	{ "Hello World", "s.substr,11,0", "" },
	{ "Hello World", "s.strip,3", "lo World" },
	{ "Hello World", "s.strip,99", "" },
	{ "Hello World", "s.striptail,3", "Hello Wo" },
	{ "Hello World", "s.striptail,99", "" },
	{ "Hello World", "s.strip,-1", "Hello World" },
	{ "Hello World", "s.tolower", "hello world" },
	{ "Hello World", "s.toupper", "HELLO WORLD" },
	{ "Hello World", "s.replace,o,0", "Hell0 W0rld" },
	{ "Hello World", "s.replace,World,x", "Hello x" },
	{ "Hello World", "s.rm,l", "Heo Word" },
	{ "Hello World", "s.rm,o W", "Hellorld" },
	{ "Hello World", "s.trim", "Hello World" },
	{ "Hello World", "s.count,o", "2" },
	{ "Hello World", "s.numeric", "" },
	{ "Hello World", "s.after,o", " World" },
	{ "Hello World", "s.before,o", "Hell" },
	{ "Hello World", "s.after,z", "" },
	{ "Hello World", "s.before,z", "Hello World" },
	{ "Hello World", "s.rafter,z", "" },
	{ "Hello World", "s.prefixes", "H,He,Hel,Hell,Hello,Hello ,Hello W,Hello Wo,Hello Wor,Hello Worl,Hello World" },
	{ "Hello World", "s.prefixes,3", "H,He,Hel" },
	{ "Hello World", "s.prefixes.quoted", "'H','He','Hel','Hell','Hello','Hello ','Hello W','Hello Wo','Hello Wor','Hello Worl','Hello World'" },
	{ "Hello World", "s.prefixes.quoted,2", "'H','He'" },
	{ "Hello World", "s.encode.hexa", "48656c6c6f20576f726c64" },
	{ "Hello World", "s.encode.base64", "SGVsbG8gV29ybGQ=" },
	{ "Hello World", "s.encode.base58", "JxF12TrwUP45BMd" },
	{ "Hello World", "s.encode.base64t", "SGVsbG8gV29ybGQ" },
	{ "Hello World", "s.encode.base64url", "SGVsbG8gV29ybGQ=" },
	{ "Hello World", "s.encode.base64urlt", "SGVsbG8gV29ybGQ" },
	{ "Hello World", "s.encode.7bit", "C8329BFD065DDF723619" },
	{ "Hello World", "s.escape.user", "Hello%20World" },
	{ "Hello World", "s.escape.param", "Hello%20World" },
	{ "Hello World", "s.escape.common", "Hello World" },
	{ "Hello World", "s.escape.csv", "\"Hello World\"" },
	{ "Hello World", "s.urlencode.param", "Hello%20World" },
	{ "Hello World", "s.select,0, ", "Hello" },
	{ "Hello World", "s.rmws", "HelloWorld" },
	{ "Hello World", "s.unquote", "Hello World" },
	{ "Hello World", "s.unbracket", "Hello World" },
	{ "a,b,,d", "s.select,0,,", "a" },
	{ "a,b,,d", "s.select,1,,", "b" },
	{ "a,b,,d", "s.select,2,,", "" },
	{ "a,b,,d", "s.select,3,,", "d" },
	{ "a,b,,d", "s.select,-1,,", "d" },
	{ "a,b,,d", "s.select,-2,,", "" },
	{ "a,b,,d", "s.select,4,,", "" },
	{ "a,b,,d", "s.select,-9,,", "" },
	{ "  x  y ", "s.trim", "x  y" },
	{ "  x  y ", "s.ltrim", "x  y " },
	{ "  x  y ", "s.rtrim", "  x  y" },
	{ "  x  y ", "s.rmws", "xy" },
	{ "\"quoted\"", "s.unquote", "quoted" },
	{ "\"quoted\"", "s.unbracket", "\"quoted\"" },
	{ "'quoted'", "s.unquote", "quoted" },
	{ "<sip:a>", "s.unbracket", "sip:a" },
	{ "<sip:a>", "s.unquote", "<sip:a>" },
	{ "48656c", "s.decode.hexa", "Hel" },
	{ "48656c", "s.int", "" },
	{ "48656c", "s.numeric", "48656" },
	{ "SGVsbG8gV29ybGQ=", "s.decode.base64", "Hello World" },
	{ "SGVsbG8gV29ybGQ=", "s.decode.base64t", "Hello World" },
	{ "SGVsbG8gV29ybGQ=", "s.decode.base64url", "Hello World" },
	{ "SGVsbG8gV29ybGQ", "s.decode.base64", "" },
	{ "SGVsbG8gV29ybGQ", "s.decode.base64t", "Hello World" },
	{ "SGVsbG8gV29ybGQ", "s.decode.base64urlt", "Hello World" },
	{ "a%20b+c%", "s.unescape.user", "" },
	{ "a%20b+c%", "s.unescape.param", "" },
	{ "a%20b+c%", "s.urldecode.param", "a b c" },
	{ "a b/c?d&e=f\"g'h%<>", "s.escape.user", "a%20b%2fc?d&e=f%22g'h%25%3c%3e" },
	{ "a b/c?d&e=f\"g'h%<>", "s.escape.param", "a%20b/c%3fd&e%3df%22g'h%25%3c%3e" },
	{ "a b/c?d&e=f\"g'h%<>", "s.escape.common", "a b/c?d&e=f\\\"g\\'h%<>" },
	{ "a b/c?d&e=f\"g'h%<>", "s.escape.csv", "\"a b/c?d&e=f\"\"g'h%<>\"" },
	{ "a b/c?d&e=f\"g'h%<>", "s.urlencode.param", "a%20b%2fc%3fd%26e%3df%22g%27h%25%3c%3e" },
	{ "a\\\\'b\\\\\\\"c", "s.unescape.common", "a\\'b\\\"c" },
	{ "1700000000", "s.ftime,%Y-%m-%d", "2023-11-14" },
	{ "1700000000", "s.int", "1700000000" },
	{ "1700000000", "s.numeric", "1700000000" },
	{ "-12abc", "s.int", "" },
	{ "-12abc", "s.numeric", "12" },
	{ "12abc", "s.int", "" },
	{ "0x1f", "s.int", "" },
	{ " 12", "s.int", "" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.user", "alice" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.host", "[2001:db8::1]" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.domain", "[2001:db8::1]" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.passwd", "pw" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.port", "5070" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.params", "transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.param,p", "1" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.param,lr", "" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.param,none", "" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.headers", "h=1&k=2" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.transport", "TCP" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.ttl", "7" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.uparam", "phone" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.maddr", "1.2.3.4" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.method", "INVITE" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.lr", "" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.r2", "on" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.scheme", "sip" },
	{ "sip:alice:pw@[2001:db8::1]:5070;transport=TCP;lr;p=1;maddr=1.2.3.4;ttl=7;user=phone;method=INVITE;r2=on?h=1&k=2", "uri.tosocket", "tcp:[2001:db8::1]:5070" },
	{ "sip:bob@example.com", "uri.user", "bob" },
	{ "sip:bob@example.com", "uri.port", "" },
	{ "sip:bob@example.com", "uri.params", "" },
	{ "sip:bob@example.com", "uri.transport", "" },
	{ "sip:bob@example.com", "uri.tosocket", "" },
	{ "sip:bob@example.com", "uri.lr", "" },
	{ "sip:bob@example.com", "uri.passwd", "" },
	{ "sip:bob@example.com", "uri.scheme", "sip" },
	{ "sip:bob@1.2.3.4;transport=tcp", "uri.tosocket", "tcp:1.2.3.4:5060" },
	{ "sip:bob@1.2.3.4:5080;transport=tcp;x=y", "uri.tosocket", "tcp:1.2.3.4:5080" },
	{ "tel:+123;phone-context=x", "uri.user", "+123" },
	{ "tel:+123;phone-context=x", "uri.host", "" },
	{ "tel:+123;phone-context=x", "uri.scheme", "tel" },
	{ "notauri", "uri.user", "" },
	{ "notauri", "uri.host", "" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.value,a", "5" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.value,b", "x y" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.value,c", "" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.value,z", "" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.in,a", "1" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.in,c", "1" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.in,z", "0" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.valueat,0", "1" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.valueat,1", "x y" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.valueat,2", "" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.valueat,-1", "5" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.valueat,9", "" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.name,0", "a" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.name,1", "b" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.name,9", "" },
	{ "a=1;b=\"x y\";c;d=4;a=5", "param.count", "5" },
	{ "a=1&b=2&c=3", "param.value,b,&", "2" },
	{ "a=1&b=2&c=3", "param.count,&", "3" },
	{ "a=1&b=2&c=3", "param.name,1,&", "b" },
	{ "a=1&b=2&c=3", "param.valueat,2,&", "3" },
	{ "a=1&b=2&c=3", "param.in,c,&", "1" },
	{ "line;a=1", "param.value,a", "1" },
	{ "line;a=1", "param.count", "2" },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "nameaddr.name", "\"Alice W\" " },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "nameaddr.uri", "sip:alice@x.com;p=1" },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "nameaddr.len", "31" },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "tobody.uri", "sip:alice@x.com;p=1" },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "tobody.display", "\"Alice W\"" },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "tobody.tag", "abc" },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "tobody.user", "alice" },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "tobody.host", "x.com" },
	{ "\"Alice W\" <sip:alice@x.com;p=1>;tag=abc;q=2", "tobody.params", "tag=abc;q=2" },
	{ "Alice <sip:alice@x.com>", "nameaddr.name", "Alice " },
	{ "Alice <sip:alice@x.com>", "nameaddr.uri", "sip:alice@x.com" },
	{ "Alice <sip:alice@x.com>", "tobody.display", "Alice" },
	{ "Alice <sip:alice@x.com>", "tobody.tag", "" },
	{ "sip:alice@x.com;tag=1", "nameaddr.name", "" },
	{ "sip:alice@x.com;tag=1", "nameaddr.uri", "sip:alice@x.com;tag=1" },
	{ "sip:alice@x.com;tag=1", "nameaddr.len", "21" },
	{ "sip:alice@x.com;tag=1", "tobody.uri", "sip:alice@x.com" },
	{ "sip:alice@x.com;tag=1", "tobody.tag", "1" },
	{ "  \"A\"   <sip:a@b>  ", "nameaddr.name", "  \"A\"   " },
	{ "  \"A\"   <sip:a@b>  ", "nameaddr.uri", "sip:a@b" },
	{ "  \"A\"   <sip:a@b>  ", "nameaddr.len", "17" },
	{ "1.2.3.4~5060~1", "urialias.decode", "sip:1.2.3.4:5060" },
	{ "1.2.3.4~5060~1", "urialias.encode", "" },
	{ "sip:1.2.3.4:5060", "urialias.encode", "1.2.3.4~5060~1" },
	{ "sip:u@1.2.3.4:5060;transport=tcp", "urialias.encode", "1.2.3.4~5060~2" },
	{ "udp:1.2.3.4:5060", "sock.host", "1.2.3.4" },
	{ "udp:1.2.3.4:5060", "sock.port", "5060" },
	{ "udp:1.2.3.4:5060", "sock.proto", "udp" },
	{ "udp:1.2.3.4:5060", "sock.touri", "sip:1.2.3.4:5060;transport=udp" },
	{ "abc123def456", "re.subst,/[0-9]+/X/", "abcXdef456" },
	{ "abc123def456", "re.subst,/[0-9]+/X/g", "abcXdefX" },
	{ "abc123def456", "re.subst,/([a-z]+)([0-9]+)/\\2-\\1/", "123-abcdef456" },
	{ "abc123def456", "re.subst,/ABC/x/i", "x123def456" },
	{ "abc123def456", "re.subst,/zzz/x/", "abc123def456" },
	{ "abc123def456", "re.subst,/^([a-z]{3})(.*)$/\\2$rm/", "123def456INVITE" },
	{ "abc123def456", "re.subst,/(.*)/<\\0>/", "<abc123def456>" },
	{ "a|b,c", "s.replace,|,-", "a-b,c" },
	{ "O'x\"y\\\\z", "s.escape.csv", "\"O'x\"\"y\\\\z\"" },
	{ "", "s.len", "0" },
	{ "", "s.int", "" },
	{ "", "s.md5", "d41d8cd98f00b204e9800998ecf8427e" },
	{ "", "s.tolower", "" },
	{ "", "s.substr,0,1", "" },
	{ "", "s.encode.hexa", "" },
	{ "", "uri.user", "" },
	{ "", "param.value,a", "" },
	{ "", "nameaddr.uri", "" },
	{ "", "tobody.user", "" },
	{ "", "line.count", "" },
	{ "", "s.trim", "" },
	{ "", "s.select,0,,", "" },
	{ "", "s.numeric", "" },
	{ "", "s.strip,1", "" },
};

static const struct row others[] = {
	{ "Hello World", "s.rafter,o", "rld" },
	{ "Hello World", "s.rbefore,o", "Hello W" },
	{ "Hello World", "s.rbefore,z", "Hello World" },
	{ "Hello World", "s.sha1", "0a4d55a8d778e5022fab701977c5d840bbc486d0" },
	{ "Hello World", "s.sha3_256", "e167f68d6563d75bb25f3aa49c29ef612d41352dc00606de7cbd630bb2665f51" },
	{ "Hello World", "s.crc32", "1243066710" },
	{ "Hello World", "s.charat,1", "e" },
	{ "Hello World", "s.charat,-1", "d" },
	{ "Hello World", "s.charat,99", "" },
	{ "Hello World", "s.byte,0", "72" },
	{ "Hello World", "s.byteat,0", "72" },
	{ "Hello World", "s.fmtlines,6,1", "Hello \r\n World" },
	{ "abcdefgh", "s.fmtlinet,4,1", "abcd\r\n\tefg\r\n\th" },
	{ "-12", "s.intv", "-12" },
	{ "x12", "s.intv", "" },
	{ "  x  y ", "s.selectws,1", "y" },
	{ "  x  y ", "s.selectws,-1", "y" },
	{ "  x  y ", "s.selectws,2", "" },
	{ "a\r\n  b", "s.rmhdws", "a b" },
	{ "a\r\n  b c", "s.rmhlws", "ab c" },
	{ "a\tb c", "s.select,1,\\t", "b c" },
	{ "a\tb c", "s.select,2,\\w", "c" },
	{ "a b", "s.select,1,\\s", "b" },
	{ "abc", "s.rm,,", "abc" },
	{ "a,b,c", "s.rm,,", "abc" },
	{ "a,b,c", "s.replace,,,;", "a;b;c" },
	{ "C8329BFD065DDF723619", "s.decode.7bit", "Hello World" },
	{ "Hello W", "s.encode.7bit", "C8329BFD065D01" },
	{ "zz", "s.decode.hexa", "" },
	{ "abc", "s.decode.hexa", "" },
	{ "1112", "s.decode.base58", "" },
	{ "SGVsbG8_-A==", "s.decode.base64", "" },
	{ "1230", "num.fdigit", "1" },
	{ "-1239", "num.ldigit", "9" },
	{ "x", "num.ldigit", "" },
	{ "", "val.n0", "" },
	{ "a\"b\\\n", "val.json", "a\\\"b\\\\\\n" },
	{ "a\"b", "val.jsonqe", "\"a\\\"b\"" },
	{ "sip:alice:pw@h:5070;transport=TCP;x=y", "uri.duri", "sip:h:5070;transport=TCP" },
	{ "sip:alice:pw@h:5070;transport=TCP;x=y", "uri.saor", "sip:alice@h" },
	{ "sip:alice:pw@h:5070;transport=TCP;x=y", "uri.suri", "sip:alice@h:5070;transport=TCP" },
	{ "sip:b@h;a=1;p=2;c=3?x=y", "uri.rmparam,p", "sip:b@h;a=1;c=3?x=y" },
	{ "sip:b@h;p=2", "uri.rmparam,p", "sip:b@h" },
	{ "sip:b@h;p=2", "uri.rmparam,q", "sip:b@h;p=2" },
	{ "tcp:[::1]:5061", "sock.host", "[::1]" },
	{ "tcp:[::1]:5061", "sock.port", "5061" },
	{ "tcp:[::1]:5061", "sock.touri", "sip:[::1]:5061;transport=tcp" },
	{ "[::1]~5060~3", "urialias.decode", "sip:[::1]:5060;transport=tls" },
	{ "1.2.3.4~5060~9", "urialias.decode", "" },
	{ "a=1;b=2;c", "param.name,-1", "c" },
	{ "a1b22", "re.subst,/[0-9]{2}/<\\0>/", "a1b<22>" },
	{ "a{b}", "re.subst,/\\{//", "ab}" },
	{ "aaa", "re.subst,/^a/b/g", "baa" },
	{ "a/b", "re.subst,#/#-#", "a-b" },
	{ "a/b", "re.subst,/\\//-/", "a-b" },
	{ "line1\nline2", "re.subst,/^l/L/g", "Line1\nLine2" },
	{ "line1\nline2", "re.subst,/1.l/-/s", "line-ine2" },
};

static void check_rows(const struct row *rows, size_t count)
{
	unsigned wrong = 0;
	for (size_t i = 0; i < count; i++) {
		char text[512];
		snprintf(text, sizeof(text), "$(avp(i){%s})", rows[i].transformation);
		fixture_set_text("$(avp(i)[*])", rows[i].input);
		const char *got = fixture_expand(text);
		if (strcmp(got, rows[i].result) == 0)
			continue;
		wrong++;
		printf("\"%s\" {%s}\n   is: %s\n  not: %s\n", rows[i].input, rows[i].transformation,
		       got, rows[i].result);
	}
	assert_int_equal(wrong, 0);
}

static void gives_what_the_peer_gives(void **state)
{
	check_rows(like_the_peer, ARRAY_SIZE(like_the_peer));
}

static void gives_what_is_documented(void **state)
{
	check_rows(others, ARRAY_SIZE(others));
}

static void takes_numbers(void **state)
{
	fixture_set_int("$(avp(n)[*])", 123);
	fixture_is(
		"$(avp(n){s.len}) $(avp(n){s.int}) $(avp(n){s.substr,0,2}) $(avp(n){s.encode.hexa})",
		"3 123 12 313233");
	fixture_is("$(avp(n){s.md5})", "202cb962ac59075b964b07152d234b70");
	fixture_is("$(avp(n){s.ftime,%Y})", "1970");
	fixture_is("$(avp(n){val.json}) $(avp(n){num.ldigit})", "123 3");
}

static void null_stays_null_and_prints_as_nothing(void **state)
{
	static const char *const items[] = {
		"s.len", "s.int", "s.md5", "s.tolower", "s.substr,0,1", "s.select,0,,", "uri.user", "param.value,a",
		"param.count", "nameaddr.uri", "tobody.user", "line.count", "re.subst,/a/b/", "urialias.encode",
	};
	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		char text[128];
		struct value value;
		snprintf(text, sizeof(text), "$(avp(none){%s})", items[i]);
		fixture_is(text, "");
		variable_read(&fixture.run, fixture_variable(text), &value);
		assert_int_equal(value.kind, VALUE_NULL);
	}
	fixture_is("$avp(none)", "<null>");
	fixture_is("$(avp(none){val.n0}) $(avp(none){val.json}) [$(avp(none){val.ne})]",
		   "0 null []");
}

static void numbers_keep_their_type(void **state)
{
	struct value value;
	fixture_set_text("$avp(s)", "abc");
	variable_read(&fixture.run, fixture_variable("$(avp(s){s.len})"), &value);
	assert_int_equal(value.kind, VALUE_INT);
	variable_read(&fixture.run, fixture_variable("$(avp(s){s.corehash})"), &value);
	assert_int_equal(value.kind, VALUE_TEXT);
}

static void lines_are_counted_from_zero(void **state)
{
	fixture_set_text("$avp(l)", "l1\nl2\r\nl3");
	fixture_is(
		"$(avp(l){line.count}) $(avp(l){line.at,0}) $(avp(l){line.at,1}) $(avp(l){line.at,-1})",
		"3 l1 l2 l3");
	fixture_is("[$(avp(l){line.at,9})] $(avp(l){line.sw,l2}) [$(avp(l){line.sw,zz})]",
		   "[] l2 []");
}

static void chains_and_arguments_with_variables(void **state)
{
	fixture_set_text("$avp(s)", "one;two;three");
	fixture_set_text("$avp(i)", "1x");
	fixture_set_int("$avp(n)", 2);
	fixture_is("$(avp(s){s.select,$avp(n),;}{s.toupper}{s.substr,0,2})", "TH");
	fixture_is("$(avp(s){s.select,$(avp(i){s.strip,0}{s.substr,0,1}),;})", "two");
	fixture_is("$(avp(s){s.replace,two,$rm})", "one;INVITE;three");
	fixture_is("$(avp(s){re.subst,/^([a-z]{3});(.)/[\\2\\1]$rm/})", "[tone]INVITEwo;three");
}

static void corehash_is_that_of_kamailio_and_fits_its_size(void **state)
{
	fixture_set_text("$avp(s)", "Hello World");
	fixture_is("$(avp(s){s.corehash})", "2764307758");
	int slot = (int)strtol(fixture_expand("$(avp(s){s.corehash,16})"), NULL, 10);
	assert_in_range(slot, 0, 15);
}

static const struct {
	const char *text, *part_of_error;
} wrong[] = {
	{ "$(ru{s.foo})", "no transformation {s.foo}" },
	{ "$(ru{nodot})", "no transformation {nodot}" },
	{ "$(ru{s.substr})", "needs 1 argument" },
	{ "$(ru{s.len,1})", "takes no arguments" },
	{ "$(ru{s.substr,a,1})", "must be a number" },
	{ "$(ru{s.select,0})", "needs 2 arguments" },
	{ "$(ru{re.subst,/(a/b/})", "never closed" },
	{ "$(ru{re.subst,/a/b})", "there must be three" },
	{ "$(ru{re.subst,/a/b/x})", "flags" },
	{ "$(ru{sql.val})", "module \"sqlops\" provides" },
	{ "$(ru{s.len)", "brace is never closed" },
	{ "$(ru{s.replace,$foo(x),b})", "no variable $foo" },
};

static void mistakes_are_named(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct span error = { 0 };
		assert_null(
			template_compile_runtime(span_from(wrong[i].text), &fixture.arena, &error));
		if (span_find_span(error, span_from(wrong[i].part_of_error)) == error.len)
			fail_msg("%s: %.*s", wrong[i].text, SPAN_ARGS(error));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(gives_what_the_peer_gives, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(gives_what_is_documented, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(takes_numbers, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(null_stays_null_and_prints_as_nothing, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(numbers_keep_their_type, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(lines_are_counted_from_zero, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(chains_and_arguments_with_variables, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(corehash_is_that_of_kamailio_and_fits_its_size, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(mistakes_are_named, fixture_set_up, fixture_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
