/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs share: the network, a handler that keeps what it is told, and checks. */
#ifndef CAPI_TESTS_HARNESS_H
#define CAPI_TESTS_HARNESS_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include <net/azure_iot_hub.h>

#define ROOM 256

/* A copy of an event. Texts are cut at ROOM and terminated. */
struct seen {
	enum azure_iot_hub_evt_type type;
	enum azure_iot_hub_topic_type topic_type;
	int err;
	bool persistent_session;
	unsigned int message_id;
	unsigned int status;
	char topic[ROOM];
	char payload[ROOM];
	char request_id[ROOM];
	char name[ROOM];
	/* key=value; of each */
	char properties[ROOM];
	size_t property_count;
};

#define CHECK(condition) harness_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected) \
	harness_check_int((actual), (expected), #actual, __FILE__, __LINE__)
#define CHECK_TEXT(actual, expected) \
	harness_check_text((actual), (expected), #actual, __FILE__, __LINE__)

void harness_check(bool holds, const char *what, const char *file, int line);
void harness_check_int(long actual, long expected, const char *what, const char *file, int line);
void harness_check_text(const char *actual, const char *expected, const char *what,
			const char *file, int line);

/* Switches LTE on and waits until the device is registered. */
void harness_network(void);

/* A handler that keeps a copy of each event. */
void harness_handler(struct azure_iot_hub_evt *evt);

/* The next event, which has to be of this type; aborts after a deadline. */
struct seen harness_expect(enum azure_iot_hub_evt_type type);

/* Waits for the next event, and leaves it: whether it is of this type. */
bool harness_next_is(enum azure_iot_hub_evt_type type);

/* Waits until it has this value; aborts after a deadline. */
void harness_until(const atomic_int *value, int wanted, const char *what);

/* No event was told that was not taken. */
void harness_expect_silence(void);

struct azure_iot_hub_buf harness_buf(const char *text);

/* The hub and the device of every program. */
struct azure_iot_hub_config harness_config(void);

/* Connects, and takes the events up to the twin. */
void harness_connects(const struct azure_iot_hub_config *config);

/* Network, init, connect, and the events up to READY. */
void harness_ready(void);

/* Disconnects and takes the event. */
void harness_leave(void);

#endif
