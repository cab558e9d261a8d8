/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transfer ends on the download's thread while the driver starts the next one: the start waits until the end is told, is
 * taken, and is told nothing of the one before. Run by `check`; it ends with 1 where that is otherwise.
 */
#include <sched.h>
#include <stdlib.h>

#include "sdk.h"

static unsigned int first_end = 99;
static bool first_is_told;
static int second_told;
static int second_result = 1;
static bool was_early;

static void tell_second(unsigned int event, uint32_t first, uint32_t second)
{
	(void)event;
	(void)first;
	(void)second;
	second_told++;
}

/* The driver: woken by the end, it goes on with another job. */
static void *start_second(void *unused)
{
	struct iothub_fota_source source = {.host = "fw.example", .path = "b.bin", .identity = 2};

	second_result = iothub_platform_fota_start(&source, tell_second);
	was_early = !__atomic_load_n(&first_is_told, __ATOMIC_SEQ_CST);
	return unused;
}

static pthread_t driver;

static void tell_first(unsigned int event, uint32_t first, uint32_t second)
{
	(void)first;
	(void)second;
	first_end = event;
	if (pthread_create(&driver, NULL, start_second, NULL) != 0) {
		abort();
	}
	/* Until the driver waits, or is through already. */
	while (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST) == 0 &&
	       __atomic_load_n(&second_result, __ATOMIC_SEQ_CST) == 1) {
		(void)sched_yield();
	}
	__atomic_store_n(&first_is_told, true, __ATOMIC_SEQ_CST);
}

int main(void)
{
	struct iothub_fota_source source = {.host = "fw.example", .path = "a.bin", .identity = 1};
	struct download_client_evt closed = {.id = DOWNLOAD_CLIENT_EVT_CLOSED};

	if (iothub_platform_fota_start(&source, tell_first) != 0 || iothub_platform_fota_cancel() != 0) {
		puts("the first transfer cannot be started and stopped");
		return 1;
	}
	(void)fetch(&closed);
	(void)pthread_join(driver, NULL);
	if (first_end != IOTHUB_FOTA_STOPPED || second_result != 0 || was_early || second_told != 0 ||
	    fetches != 2) {
		printf("end %u, the second start %d%s, told %d times, %d fetches\n", first_end, second_result,
		       was_early ? " before the end was told" : "", second_told, fetches);
		return 1;
	}
	(void)fetch(&closed);
	if (second_told != 1 || iothub_platform_fota_cancel() != -ENOENT) {
		puts("the second end is not told, or leaves the slot taken");
		return 1;
	}
	puts("an end is told before the next transfer begins");
	return 0;
}
