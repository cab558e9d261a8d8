/* SPDX-License-Identifier: Apache-2.0 */
/* Between the library and the platform, by the linker's --wrap: the Linux port's slot never has to be erased. */
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <iothub_platform.h>

#include "slot.h"

int __real_iothub_platform_fota_start(const struct iothub_fota_source *source,
				      iothub_fota_callback_t callback);
int __wrap_iothub_platform_fota_start(const struct iothub_fota_source *source,
				      iothub_fota_callback_t callback);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool used;
static bool erased;
static bool may_be_erased;
static iothub_fota_callback_t library;

void slot_is_used(void)
{
	pthread_mutex_lock(&mutex);
	used = true;
	pthread_mutex_unlock(&mutex);
}

void slot_may_be_erased(void)
{
	pthread_mutex_lock(&mutex);
	may_be_erased = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

/* On the thread of the transfer, with its first bytes: as the device's flash, which is erased before they are stored. */
static void relay(unsigned int event, uint32_t first, uint32_t second)
{
	pthread_mutex_lock(&mutex);
	const bool erase = used && !erased;

	erased = true;
	pthread_mutex_unlock(&mutex);
	if (erase) {
		library(IOTHUB_FOTA_ERASE_PENDING, 0, 0);
		pthread_mutex_lock(&mutex);
		while (!may_be_erased) {
			pthread_cond_wait(&changed, &mutex);
		}
		pthread_mutex_unlock(&mutex);
		library(IOTHUB_FOTA_ERASE_DONE, 0, 0);
	}
	library(event, first, second);
}

int __wrap_iothub_platform_fota_start(const struct iothub_fota_source *source,
				      iothub_fota_callback_t callback)
{
	pthread_mutex_lock(&mutex);
	erased = false;
	may_be_erased = false;
	library = callback;
	pthread_mutex_unlock(&mutex);
	return __real_iothub_platform_fota_start(source, relay);
}
