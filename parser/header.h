/* SPDX-License-Identifier: BSD-2-Clause */
/* header: which header fields there are (the IANA registry as far as servers meet it), their long
 * and compact names. Adding one is a row here. */
#pragma once

#include "core/base/span.h"

/* X(id, name, compact form or 0, flags) */
#define HEADER_LIST      1u /* the value is a comma list; several lines are one list */
#define HEADER_ADDRESSES 2u /* of name-addr or addr-spec */
#define HEADER_ONCE      4u /* at most one per message */
#define SIP_HEADERS(X) \
	X(VIA, "Via", 'v', HEADER_LIST) \
	X(FROM, "From", 'f', HEADER_ONCE | HEADER_ADDRESSES) \
	X(TO, "To", 't', HEADER_ONCE | HEADER_ADDRESSES) \
	X(CALL_ID, "Call-ID", 'i', HEADER_ONCE) \
	X(CSEQ, "CSeq", 0, HEADER_ONCE) \
	X(MAX_FORWARDS, "Max-Forwards", 0, HEADER_ONCE) \
	X(CONTACT, "Contact", 'm', HEADER_LIST | HEADER_ADDRESSES) \
	X(ROUTE, "Route", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(RECORD_ROUTE, "Record-Route", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(CONTENT_LENGTH, "Content-Length", 'l', HEADER_ONCE) \
	X(CONTENT_TYPE, "Content-Type", 'c', HEADER_ONCE) \
	X(AUTHORIZATION, "Authorization", 0, 0) \
	X(PROXY_AUTHORIZATION, "Proxy-Authorization", 0, 0) \
	X(WWW_AUTHENTICATE, "WWW-Authenticate", 0, 0) \
	X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0, 0) \
	X(AUTHENTICATION_INFO, "Authentication-Info", 0, 0) \
	X(PROXY_AUTHENTICATION_INFO, "Proxy-Authentication-Info", 0, 0) \
	X(EXPIRES, "Expires", 0, HEADER_ONCE) \
	X(MIN_EXPIRES, "Min-Expires", 0, HEADER_ONCE) \
	X(USER_AGENT, "User-Agent", 0, HEADER_ONCE) \
	X(SERVER, "Server", 0, HEADER_ONCE) \
	X(SUPPORTED, "Supported", 'k', HEADER_LIST) \
	X(REQUIRE, "Require", 0, HEADER_LIST) \
	X(PROXY_REQUIRE, "Proxy-Require", 0, HEADER_LIST) \
	X(UNSUPPORTED, "Unsupported", 0, HEADER_LIST) \
	X(ALLOW, "Allow", 0, HEADER_LIST) \
	X(ALLOW_EVENTS, "Allow-Events", 'u', HEADER_LIST) \
	X(ACCEPT, "Accept", 0, HEADER_LIST) \
	X(ACCEPT_CONTACT, "Accept-Contact", 'a', HEADER_LIST) \
	X(REJECT_CONTACT, "Reject-Contact", 'j', HEADER_LIST) \
	X(REQUEST_DISPOSITION, "Request-Disposition", 'd', HEADER_LIST) \
	X(ACCEPT_ENCODING, "Accept-Encoding", 0, HEADER_LIST) \
	X(ACCEPT_LANGUAGE, "Accept-Language", 0, HEADER_LIST) \
	X(ACCEPT_RESOURCE_PRIORITY, "Accept-Resource-Priority", 0, HEADER_LIST) \
	X(ALERT_INFO, "Alert-Info", 0, HEADER_LIST) \
	X(ANSWER_MODE, "Answer-Mode", 0, 0) \
	X(CALL_INFO, "Call-Info", 0, HEADER_LIST) \
	X(CONTENT_DISPOSITION, "Content-Disposition", 0, HEADER_ONCE) \
	X(CONTENT_ENCODING, "Content-Encoding", 'e', HEADER_LIST) \
	X(CONTENT_LANGUAGE, "Content-Language", 0, HEADER_LIST) \
	X(CONTENT_ID, "Content-ID", 0, HEADER_ONCE) \
	X(DATE, "Date", 0, HEADER_ONCE) \
	X(DIVERSION, "Diversion", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(ERROR_INFO, "Error-Info", 0, HEADER_LIST) \
	X(EVENT, "Event", 'o', HEADER_ONCE) \
	X(FEATURE_CAPS, "Feature-Caps", 0, HEADER_LIST) \
	X(FLOW_TIMER, "Flow-Timer", 0, HEADER_ONCE) \
	X(GEOLOCATION, "Geolocation", 0, HEADER_LIST) \
	X(HISTORY_INFO, "History-Info", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(IDENTITY, "Identity", 'y', 0) \
	X(IDENTITY_INFO, "Identity-Info", 'n', 0) \
	X(INFO_PACKAGE, "Info-Package", 0, HEADER_ONCE) \
	X(IN_REPLY_TO, "In-Reply-To", 0, HEADER_LIST) \
	X(JOIN, "Join", 0, HEADER_ONCE) \
	X(MAX_BREADTH, "Max-Breadth", 0, HEADER_ONCE) \
	X(MIME_VERSION, "MIME-Version", 0, HEADER_ONCE) \
	X(MIN_SE, "Min-SE", 0, HEADER_ONCE) \
	X(ORGANIZATION, "Organization", 0, HEADER_ONCE) \
	X(PATH, "Path", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(PRIORITY, "Priority", 0, HEADER_ONCE) \
	X(PRIVACY, "Privacy", 0, HEADER_ONCE) \
	X(P_ACCESS_NETWORK_INFO, "P-Access-Network-Info", 0, HEADER_LIST) \
	X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(P_ASSOCIATED_URI, "P-Associated-URI", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(P_CALLED_PARTY_ID, "P-Called-Party-ID", 0, HEADER_ADDRESSES) \
	X(P_CHARGING_VECTOR, "P-Charging-Vector", 0, HEADER_ONCE) \
	X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(P_SERVED_USER, "P-Served-User", 0, HEADER_ADDRESSES) \
	X(P_VISITED_NETWORK_ID, "P-Visited-Network-ID", 0, HEADER_LIST) \
	X(RACK, "RAck", 0, HEADER_ONCE) \
	X(REASON, "Reason", 0, HEADER_LIST) \
	X(RECV_INFO, "Recv-Info", 0, HEADER_LIST) \
	X(REFER_SUB, "Refer-Sub", 0, HEADER_ONCE) \
	X(REFER_TO, "Refer-To", 'r', HEADER_ONCE | HEADER_ADDRESSES) \
	X(REFERRED_BY, "Referred-By", 'b', HEADER_ONCE | HEADER_ADDRESSES) \
	X(REMOTE_PARTY_ID, "Remote-Party-ID", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(REPLACES, "Replaces", 0, HEADER_ONCE) \
	X(REPLY_TO, "Reply-To", 0, HEADER_ONCE | HEADER_ADDRESSES) \
	X(RESOURCE_PRIORITY, "Resource-Priority", 0, HEADER_LIST) \
	X(RETRY_AFTER, "Retry-After", 0, HEADER_ONCE) \
	X(RSEQ, "RSeq", 0, HEADER_ONCE) \
	X(SECURITY_CLIENT, "Security-Client", 0, HEADER_LIST) \
	X(SECURITY_SERVER, "Security-Server", 0, HEADER_LIST) \
	X(SECURITY_VERIFY, "Security-Verify", 0, HEADER_LIST) \
	X(SERVICE_ROUTE, "Service-Route", 0, HEADER_LIST | HEADER_ADDRESSES) \
	X(SESSION_EXPIRES, "Session-Expires", 'x', HEADER_ONCE) \
	X(SIP_ETAG, "SIP-ETag", 0, HEADER_ONCE) \
	X(SIP_IF_MATCH, "SIP-If-Match", 0, HEADER_ONCE) \
	X(SUBJECT, "Subject", 's', HEADER_ONCE) \
	X(SUBSCRIPTION_STATE, "Subscription-State", 0, HEADER_ONCE) \
	X(SUPPRESS_IF_MATCH, "Suppress-If-Match", 0, HEADER_ONCE) \
	X(TARGET_DIALOG, "Target-Dialog", 0, HEADER_ONCE) \
	X(TIMESTAMP, "Timestamp", 0, HEADER_ONCE) \
	X(USER_TO_USER, "User-to-User", 0, HEADER_LIST) \
	X(WARNING, "Warning", 0, HEADER_LIST) \
	X(SESSION_ID, "Session-ID", 0, HEADER_ONCE) \
	X(P_EARLY_MEDIA, "P-Early-Media", 0, HEADER_LIST) \
	X(CONTENT_TRANSFER_ENCODING, "Content-Transfer-Encoding", 0, HEADER_ONCE) \
	X(CONNECTION, "Connection", 0, 0) \
	X(HOST, "Host", 0, HEADER_ONCE) \
	X(UPGRADE, "Upgrade", 0, 0) \
	X(TRANSFER_ENCODING, "Transfer-Encoding", 0, 0)

enum sip_header_id {
#define SIP_HEADER_ID(id, name, compact, flags) HEADER_##id,
	SIP_HEADERS(SIP_HEADER_ID)
#undef SIP_HEADER_ID
		HEADER_OTHER, /* any other name */
	HEADER_KIND_COUNT,
};

/* The id of a name, any case, long or compact form; HEADER_OTHER when unknown. */
enum sip_header_id header_id_from_name(struct span name);
/* The long name, "Via"; absent for HEADER_OTHER. */
struct span header_name(enum sip_header_id id);
/* 'v' for HEADER_VIA, 0 when there is no compact form. */
char header_compact(enum sip_header_id id);
/* HEADER_LIST, HEADER_ADDRESSES, HEADER_ONCE; 0 for HEADER_OTHER. */
unsigned header_flags(enum sip_header_id id);
