/* SPDX-License-Identifier: Apache-2.0 */
/* An image is called complete once its last bytes are written, and not where that fails. Run by `check`. */
#include "sdk.h"

static unsigned int end;
static uint32_t cause;
static int versions;

static void tell(unsigned int event, uint32_t first, uint32_t second)
{
	if (event == IOTHUB_FOTA_VERSION) {
		versions += first == 0x01020304 && second == 0x05060708;
		return;
	}
	end = event;
	cause = first;
}

static int transfer(int result)
{
	/* 1.2.772+84281096 */
	static char image[IMAGE] = {[20] = 1, 2, 4, 3, 8, 7, 6, 5};
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
	/* With the first fragment of both; the header in the flash of this test says 0.0.0. */
	if (versions != 2) {
		printf("the version was told %d times\n", versions);
		return 1;
	}
	puts("an image is complete when its last bytes are written");
	return 0;
}
