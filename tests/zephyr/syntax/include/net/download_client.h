/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_NET_DOWNLOAD_CLIENT_H
#define SYNTAX_NET_DOWNLOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum download_client_evt_id {
	DOWNLOAD_CLIENT_EVT_FRAGMENT,
	DOWNLOAD_CLIENT_EVT_ERROR,
	DOWNLOAD_CLIENT_EVT_DONE,
	DOWNLOAD_CLIENT_EVT_CLOSED,
};

struct download_client_evt {
	enum download_client_evt_id id;
	union {
		int error;
		struct {
			const void *buf;
			size_t len;
		} fragment;
	};
};

struct download_client_cfg {
	const int *sec_tag_list;
	uint8_t sec_tag_count;
	size_t frag_size_override;
	bool set_tls_hostname;
};

struct download_client {
	int fd;
};

typedef int (*download_client_callback_t)(const struct download_client_evt *event);

int download_client_init(struct download_client *client, download_client_callback_t callback);
int download_client_get(struct download_client *client, const char *host, const struct download_client_cfg *config,
			const char *file, size_t from);
int download_client_disconnect(struct download_client *client);
int download_client_file_size_get(struct download_client *client, size_t *size);

#endif
