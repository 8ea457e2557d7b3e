/* SPDX-License-Identifier: BSD-2-Clause */
/* parse: nanoseconds per operation of the parsers that every message meets, best of several runs:
 * `make build/test/bench/parse && build/test/bench/parse [NAME]`. */
#include <stdio.h>
#include <time.h>

#include "parser/message.h"
#include "parser/name_addr.h"
#include "parser/uri.h"
#include "parser/values.h"
#include "parser/via.h"

#define RUNS   30
#define ROUNDS 20000

/* 723 bytes, 13 headers. */
static const char invite[] =
	"INVITE sip:bob@biloxi.example.com;transport=udp SIP/2.0\r\n"
	"Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9.7c8d1a2b3c4d5e6f;rport\r\n"
	"Max-Forwards: 70\r\n"
	"From: \"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
	"To: \"Bob\" <sip:bob@biloxi.example.com>\r\n"
	"Call-ID: 3848276298220188511@atlanta.example.com\r\n"
	"CSeq: 1 INVITE\r\n"
	"Contact: <sip:alice@192.0.2.101:5060;transport=udp>\r\n"
	"User-Agent: Some Phone 2.7.1 (build 1834)\r\n"
	"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE\r\n"
	"Supported: replaces, timer, path\r\n"
	"Content-Type: application/sdp\r\n"
	"Content-Length: 151\r\n"
	"\r\n"
	"v=0\r\no=alice 2890844526 2890844526 IN IP4 192.0.2.101\r\ns=-\r\n"
	"c=IN IP4 192.0.2.101\r\nt=0 0\r\nm=audio 49172 RTP/AVP 0\r\n"
	"a=rtpmap:0 PCMU/8000\r\n";

static struct arena arena;
static volatile unsigned sink;

static void parse_index(void)
{
	struct sip_message_index *index;
	arena_clear(&arena);
	sink += sip_message_index(&arena, span_make(invite, sizeof(invite) - 1), &index, NULL);
}

static void parse_via(void)
{
	struct sip_via via;
	sink += via_parse(
		SPAN_OF("SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9.7c8d1a2b3c4d5e6f;rport"),
		&via);
}

static void parse_name_addr(void)
{
	struct name_addr address;
	sink += name_addr_parse(SPAN_OF("\"Alice\" <sip:alice@atlanta.example.com>;tag=9fxced76sl"),
				&address);
}

static void parse_uri(void)
{
	struct sip_uri uri;
	sink += uri_parse(SPAN_OF("sip:alice@192.0.2.101:5060;transport=udp"), &uri);
}

static void parse_cseq(void)
{
	struct cseq cseq;
	sink += cseq_parse(SPAN_OF("1 OPTIONS"), &cseq);
}

static const struct {
	const char *name;
	void (*run)(void);
} rows[] = {
	{ "header index of a 723-byte INVITE", parse_index },
	{ "Via", parse_via },
	{ "From", parse_name_addr },
	{ "URI", parse_uri },
	{ "CSeq", parse_cseq },
};

static double now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double measure(void (*run)(void))
{
	double best = 1e9;
	for (unsigned i = 0; i < RUNS; i++) {
		double begin = now_ns();
		for (unsigned j = 0; j < ROUNDS; j++)
			run();
		double each = (now_ns() - begin) / ROUNDS;
		best = each < best ? each : best;
	}
	return best;
}

int main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	arena_init(&arena, 32768, 65536);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strstr(rows[i].name, only))
			printf("%7.1f ns  %s\n", measure(rows[i].run), rows[i].name);
	return sink == 0;
}
