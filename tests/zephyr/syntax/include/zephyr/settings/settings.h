/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_SETTINGS_SETTINGS_H
#define SYNTAX_ZEPHYR_SETTINGS_SETTINGS_H

#include <stddef.h>
#include <sys/types.h>

typedef ssize_t (*settings_read_cb)(void *from, void *data, size_t length);
typedef int (*settings_load_direct_cb)(const char *key, size_t length, settings_read_cb read, void *from,
				       void *parameter);

struct settings_load_arg;
struct settings_store;

struct settings_store_itf {
	int (*csi_load)(struct settings_store *store, const struct settings_load_arg *argument);
};

struct settings_store {
	const struct settings_store_itf *cs_itf;
};

int settings_subsys_init(void);
int settings_load_subtree_direct(const char *subtree, settings_load_direct_cb callback, void *parameter);
int settings_save_one(const char *name, const void *value, size_t length);
int settings_delete(const char *name);
int settings_call_set_handler(const char *name, size_t length, settings_read_cb read, void *from,
			      const struct settings_load_arg *argument);
void settings_src_register(struct settings_store *store);

#endif
