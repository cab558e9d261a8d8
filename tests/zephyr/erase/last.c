/* SPDX-License-Identifier: Apache-2.0 */
/* An image is called complete once its last bytes are written, and not where that fails. Run by `check`. */
#include "sdk.h"

static unsigned int end;
static uint32_t cause;

static void tell(unsigned int event, uint32_t first, uint32_t second)
{
	(void)second;
	end = event;
	cause = first;
}

static int transfer(int result)
{
	static char image[IMAGE];
	struct iothub_fota_source source = {.host = "fw.example", .path = "a.bin", .identity = 1};
	struct download_client_evt bytes = {.id = DOWNLOAD_CLIENT_EVT_FRAGMENT, .fragment = {.buf = image, .len = IMAGE}};
	struct download_client_evt done = {.id = DOWNLOAD_CLIENT_EVT_DONE};
	struct download_client_evt closed = {.id = DOWNLOAD_CLIENT_EVT_CLOSED};

	done_result = result;
	if (iothub_platform_fota_start(&source, tell) != 0 || fetch(&bytes) != 0) {
		return 1;
	}
	(void)fetch(&done);
	(void)fetch(&closed);
	return 0;
}

int main(void)
{
	if (transfer(-EIO) != 0 || end != IOTHUB_FOTA_FAILED || cause != IOTHUB_FOTA_CAUSE_STORAGE || called_complete) {
		printf("last bytes that fail: end %u, cause %u%s\n", end, cause, called_complete ? ", called complete" : "");
		return 1;
	}
	if (transfer(0) != 0 || end != IOTHUB_FOTA_DONE || !called_complete) {
		printf("last bytes that are written: end %u, cause %u\n", end, cause);
		return 1;
	}
	puts("an image is complete when its last bytes are written");
	return 0;
}
