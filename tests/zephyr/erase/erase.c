/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slot cannot be erased yet, as the SDK's DFU targets say it: src/fota.c and src/fota_fetch.c over a scripted SDK. Run by
 * `check`; it ends with 1 where something else is told than expected.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdk.h"

static char told[256];

/* The driver. */

static void tell(unsigned int event, uint32_t first, uint32_t second)
{
	static const char *const names[] = {"progress", "pending", "erased", "done", "failed", "stopped", "version"};

	(void)first;
	(void)second;
	strcat(strcat(told, names[event]), " ");
}

static int start(void)
{
	struct iothub_fota_source source = {.host = "fw.example", .path = "app.bin", .identity = 7};

	return iothub_platform_fota_start(&source, tell);
}

static void expect(const char *what, const char *expected)
{
	if (strcmp(told, expected) != 0) {
		printf("%s: told \"%s\", expected \"%s\"\n", what, told, expected);
		exit(1);
	}
	told[0] = '\0';
}

static void arrives(void)
{
	static const char bytes[1024];
	struct download_client_evt fragment = {.id = DOWNLOAD_CLIENT_EVT_FRAGMENT};

	fragment.fragment.buf = bytes;
	fragment.fragment.len = sizeof(bytes);
	(void)fetch(&fragment);
}

static void closes(bool complete)
{
	struct download_client_evt event = {.id = DOWNLOAD_CLIENT_EVT_DONE};

	if (complete) {
		(void)fetch(&event);
	}
	event.id = DOWNLOAD_CLIENT_EVT_CLOSED;
	(void)fetch(&event);
}

int main(void)
{
	/* A target that waits for LTE to be off says so again and again, and goes on by itself. */
	(void)start();
	erase(DFU_TARGET_EVT_TIMEOUT);
	erase(DFU_TARGET_EVT_TIMEOUT);
	expect("an erase that waits", "pending pending ");
	erase(DFU_TARGET_EVT_ERASE_DONE);
	for (int i = 0; i < IMAGE / 1024; i++) {
		arrives();
	}
	closes(true);
	expect("what comes after it", "erased version progress progress progress progress version done ");

	/* One that never ends is given up, and the slot is free for the next attempt. */
	stored = 0;
	(void)start();
	erase(DFU_TARGET_EVT_TIMEOUT);
	if (start() != -EBUSY || iothub_platform_fota_cancel() != 0) {
		puts("a second transfer was begun, or the first cannot be stopped");
		return 1;
	}
	closes(false);
	expect("an erase that never ends", "pending stopped ");
	if (start() != 0 || fetches != 3) {
		puts("the next attempt is not made");
		return 1;
	}
	puts("an erase that waits is told, and what comes after it is done");
	return 0;
}
