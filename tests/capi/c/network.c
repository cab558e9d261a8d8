/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <modem/lte_lc.h>
#include <modem/nrf_modem_lib.h>

#include "network.h"

#define DEADLINE_S 150

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool registered;

static void must(int error, const char *what)
{
	if (error != 0) {
		fprintf(stderr, "%s: %d\n", what, error);
		abort();
	}
}

static void on_lte(const struct lte_lc_evt *const evt)
{
	if (evt->type == LTE_LC_EVT_NW_REG_STATUS &&
	    evt->nw_reg_status == LTE_LC_NW_REG_REGISTERED_HOME) {
		pthread_mutex_lock(&mutex);
		registered = true;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
	}
}

void network_attach(void)
{
	struct timespec until;

	must(nrf_modem_lib_init(), "the modem");
	must(lte_lc_connect_async(on_lte), "LTE");
	must(clock_gettime(CLOCK_REALTIME, &until), "the clock");
	until.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&mutex);
	while (!registered) {
		must(pthread_cond_timedwait(&changed, &mutex, &until), "registration");
	}
	pthread_mutex_unlock(&mutex);
}
