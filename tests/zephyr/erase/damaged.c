/* SPDX-License-Identifier: Apache-2.0 */
/* What is stored of a slot calls an image complete that no slot holds: it is fetched. Run by `check`. */
#include "sdk.h"

static unsigned int end;

static void tell(unsigned int event, uint32_t first, uint32_t second)
{
	(void)first;
	(void)second;
	end = event;
}

/* How often it fetches where this is stored of the slot. */
static int fetches_with(uint32_t size)
{
	const uint32_t slot[2] = {1, size};
	struct iothub_fota_source source = {.host = "fw.example", .path = "a.bin", .identity = 1};
	struct download_client_evt closed = {.id = DOWNLOAD_CLIENT_EVT_CLOSED};
	int before = fetches;

	setting = slot;
	if (iothub_platform_fota_start(&source, tell) != 0) {
		return -1;
	}
	if (fetches != before) {
		(void)fetch(&closed);
	}
	setting = NULL;
	return fetches - before;
}

int main(void)
{
	if (fetches_with(IMAGE) != 0 || end != IOTHUB_FOTA_DONE) {
		printf("a complete image: end %u\n", end);
		return 1;
	}
	if (fetches_with(UINT32_MAX) != 1 || fetches_with(0) != 1) {
		puts("an image that no slot holds is called complete");
		return 1;
	}
	puts("an image that no slot holds is fetched");
	return 0;
}
