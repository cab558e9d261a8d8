/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_NET_DOWNLOADER_H
#define SYNTAX_NET_DOWNLOADER_H

#include <stddef.h>
#include <stdint.h>

enum downloader_evt_id {
	DOWNLOADER_EVT_FRAGMENT,
	DOWNLOADER_EVT_ERROR,
	DOWNLOADER_EVT_DONE,
	DOWNLOADER_EVT_STOPPED,
	DOWNLOADER_EVT_DEINITIALIZED,
};

struct downloader_evt {
	enum downloader_evt_id id;
	union {
		int error;
		struct {
			const void *buf;
			size_t len;
		} fragment;
	};
};

typedef int (*downloader_callback_t)(const struct downloader_evt *event);

struct downloader_cfg {
	downloader_callback_t callback;
	char *buf;
	size_t buf_size;
};

struct downloader_host_cfg {
	const int *sec_tag_list;
	uint8_t sec_tag_count;
	size_t range_override;
};

struct downloader {
	int fd;
};

int downloader_init(struct downloader *downloader, struct downloader_cfg *config);
int downloader_get_with_host_and_file(struct downloader *downloader, const struct downloader_host_cfg *host,
				      const char *name, const char *file, size_t from);
int downloader_cancel(struct downloader *downloader);
int downloader_file_size_get(struct downloader *downloader, size_t *size);

#endif
