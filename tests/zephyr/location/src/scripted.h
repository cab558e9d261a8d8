/* SPDX-License-Identifier: Apache-2.0 */
/* NCS's location library, played: what it was asked, and what it answers. */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include <modem/location.h>

extern struct script {
	int init_result;
	int request_result;
	int process_result;
} script;

extern struct asked {
	unsigned int inits;
	unsigned int requests;
	struct location_config config;
	unsigned int results;
	enum location_ext_result result;
	char data[16];
	size_t len;
	bool is_pgps;
} asked;

/* As the library does from its own work queue. */
void scripted_event(const struct location_event_data *event);

#endif /* SCRIPTED_H */
