/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FAKES_H
#define FAKES_H

#include <stdbool.h>
#include <zephyr/net/mqtt.h>

/* How the fake stack and the fake helper behave, and what was called. */
struct fakes {
	bool has_shutdown;
	bool leaves_without_abort;
	bool deaf;
	/* Of the hub's address; 0: IPv4. */
	sa_family_t family;
	int connect_result;
	int shutdowns;
	int aborts;
	/* The client of the last mqtt_connect(), and of the last mqtt_abort(). */
	const struct mqtt_client *connected;
	const struct mqtt_client *aborted;
	/* The last socket option, and how it fails. */
	int option_level;
	int option_name;
	int option_value;
	int option_errno;
	int acks;
	int unread;
};

extern struct fakes fakes;
extern struct mqtt_client fake_client;

void fakes_reset(void);

/* mqtt_helper_connect(), which is mqtt_connect(), after which the helper's thread enters its loop. */
int fake_helper_connect(void);

/* The peer closes the connection. */
void fake_peer_closes(void);

#endif /* FAKES_H */
