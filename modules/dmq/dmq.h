/* SPDX-License-Identifier: BSD-2-Clause */
/* dmq: what the files of the module share. */
#pragma once

#include "modules/dmq/dmq_api.h"
#include "modules/dmq/list.h"

#define NODES_MOST    100
#define CHANNELS_MOST 16

struct dmq_settings {
	struct span server_address, server_socket, notification_channel;
	bool multi_notify, remove_inactive, fail_count_enabled, sl_send, known_nodes_only;
	int64_t ping_interval, fail_count_threshold_not_active, fail_count_threshold_disabled,
		queue_limit;
};
extern const struct dmq_settings *const dmq_settings;

struct dmq_counters {
	counter_id sent, received, refused, dropped, failed, superseded;
};
extern const struct dmq_counters *const dmq_counters;

/* ---- nodes.c: who is there ------------------------------------------------------------------------- */

/* A copy of a node; `entry.host` lies in `host`. */
struct node_view {
	struct dmq_node name;
	struct node_entry entry;
	char host[NODE_HOST_MOST];
	struct end_point address;
	bool is_local;
	int64_t heard_wall_s; /* last answer or notification; 0: none */
};

/* What an answer, or its absence, changed. */
enum node_change { NODE_SAME, NODE_UP, NODE_DOWN, NODE_OUT, NODE_REMOVED };

bool nodes_prepare(void);
/* False: the table is full, or no memory (logged). A node that is there already stays as it is. */
bool nodes_add(const struct node_entry *entry, const struct end_point *address, bool is_local,
	       struct dmq_node *out_name);
/* Name of the node, generation 0 when there is none. */
struct dmq_node nodes_find(const struct node_entry *entry);
bool nodes_view(struct dmq_node name, struct node_view *out_view);
/* The next one: start with *cursor 0, false ends. */
bool nodes_next(uint32_t *cursor, struct node_view *out_view);
/* The node with this IP address, or that was seen to send from it. */
struct dmq_node nodes_by_source(const struct end_point *source, enum node_status *out_status);
/* It sent a notification from there. */
void nodes_saw(struct dmq_node name, const struct end_point *source);
bool nodes_set_status(struct dmq_node name, enum node_status status);
bool nodes_remove(struct dmq_node name);
/* Active nodes but ourselves; no lock. */
unsigned nodes_active(void);
/* A message was answered (by a success), or was not. */
enum node_change nodes_answered(struct dmq_node name, bool is_good);
enum node_change nodes_failed(struct dmq_node name, bool is_ping);
/* One message more on its way; false: too many are. `*out_is_new`: the first that is lost. */
bool nodes_take_room(struct dmq_node name, bool *out_is_new);
void nodes_give_room(struct dmq_node name);
/* Messages on their way; UINT32_MAX when the node is gone or not active. */
uint32_t nodes_in_flight(struct dmq_node name);
/* Logs what happened to a node and runs its event route. */
void node_tell(const struct node_view *node, enum node_change change, unsigned code);

/* ---- channels.c: for whom messages are -------------------------------------------------------------- */

bool channels_prepare(void);
bool channels_join(const struct dmq_channel *channel);
const struct dmq_channel *channels_find(struct span name);
/* Remembers a channel that a script sends on, so that messages for it are accepted. */
void channels_note(struct span name);
bool channels_is_noted(struct span name);
const struct dmq_channel *channels_at(unsigned index); /* NULL ends */

/* ---- send.c --------------------------------------------------------------------------------------------- */

struct post {
	struct span channel, content_type, body;
	uint32_t max_forwards;
	uint64_t order;    /* those with the same one arrive one after the other; 0: as it comes */
	bool is_continued; /* its turn has come */
	bool is_notification; /* nodes that are not active get it too, and an answer is a list */
	int greeting;         /* number of the channel whose greeting it is; -1: none */
};
#define POST_DATA(name, type, text)                                                     \
	((struct post){ .channel = (name), .content_type = (type), .body = (text), \
			.max_forwards = 1, .greeting = -1 })
bool send_prepare(struct diagnostics *diagnostics);
/* The part of a URI after "sip:" and user that names this server, and the socket that it sends from. */
const struct node_entry *own_entry(void);
const struct end_point *own_address(void);
bool post_send(const struct post *post, struct dmq_node node);
/* To all active nodes but ourselves. */
void post_broadcast(const struct post *post);
bool node_wait_for_room(struct dmq_node node);
/* Sends greetings that nobody took yet. */
void greet_again(bool was_introduced);

/* ---- lanes.c --------------------------------------------------------------------------------------------- */

enum lane_entry {
	LANE_IS_FREE, /* send it now; lane_next or lane_drop follow */
	LANE_WAITS,   /* it is kept until those before it were answered */
	LANE_NONE,    /* no memory: it goes as it comes */
};
bool lanes_prepare(void);
enum lane_entry lane_enter(struct dmq_node node, const struct post *post, unsigned channel);
/* After a message ended: the next one, copied into `arena`. False: the lane is empty and gone. */
bool lane_next(struct dmq_node node, uint64_t order, struct arena *arena, unsigned *out_channel,
	       struct span *out_body);
/* The node is gone, or does not answer: nothing that waits will be sent. */
void lane_drop(struct dmq_node node, uint64_t order);
/* Removes what died with its worker. */
void lanes_sweep(void);

/* ---- stream.c: see dmq_api.h ------------------------------------------------------------------------------ */

bool stream_start(const struct dmq_stream *wanted);
bool stream_add(struct dmq_stream *stream,
		void (*write)(struct writer *w, const void *row, unsigned index), const void *row);

/* ---- notify.c ------------------------------------------------------------------------------------------- */

bool notify_prepare(void);
/* For the setting notification_address. */
const char *notify_add_address(struct span text, int64_t number);
/* Once, and at each ping_interval; on a fiber. */
void notify_start(void);
void notify_ping(void);
/* The answer to a notification of ours. */
void notify_answered(struct span body, bool was_introduction);
void notify_node(struct dmq_node node, uint32_t max_forwards);

/* ---- receive.c, script.c, commands.c: rows -------------------------------------------------------------------- */

const struct tm_api *dmq_tm(void);
const struct sl_api *dmq_sl(void);
extern const struct function_table receive_functions, send_functions;
#define DMQ_COMMANDS 4
extern const struct rpc_command dmq_commands[DMQ_COMMANDS];
