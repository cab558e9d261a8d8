/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the download that differs between the generations of the SDK. */
#ifndef FOTA_FETCH_H
#define FOTA_FETCH_H

#include <stddef.h>
#include <stdint.h>

/* What to fetch; the pointers stay valid until fota_on_end. */
struct fota_fetch {
	/* With scheme and port. */
	const char *host;
	const char *path;
	/* None without TLS. */
	const int *sec_tags;
	uint8_t sec_tag_count;
	size_t fragment;
	size_t from;
};

int fota_fetch_start(const struct fota_fetch *fetch);
/* Does not block; fota_on_end follows. */
void fota_fetch_stop(void);

/*
 * On the download's thread: bytes in order, and the size of the file. Anything but 0 stops. The end comes once for each
 * fota_fetch_start that returned 0: 0 where all is there, else a negative errno.
 */
int fota_on_fragment(const void *bytes, size_t len, size_t file_size);
void fota_on_end(int error);

#endif /* FOTA_FETCH_H */
