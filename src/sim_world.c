/* SPDX-License-Identifier: Apache-2.0 */
/* The world around the simulation: reads the file of --world=FILE, and answers for the modem what the modem knows of it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/kernel.h>

#include <iothub_sim_modem.h>

#include "sim_host.h"
#include "sim_world.h"

#define TEXT_MAX 1024
#define BETWEEN " \n"

static K_MUTEX_DEFINE(turn);
static char text[TEXT_MAX];

static int error_of(const char *word)
{
	static const struct {
		const char *word;
		int err;
	} known[] = {{"missing", -ENOTSUP}, {"broken", -EIO}, {"hangs", -ETIMEDOUT}, {"nan", -ERANGE}};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].word, word) == 0) {
			return known[i].err;
		}
	}
	return -EINVAL;
}

static int parse(struct sim_word *words)
{
	char *rest = NULL;
	char *word = strtok_r(text, BETWEEN, &rest);
	char *end;

	for (size_t i = 0; i < SIM_WORLD_WORDS; i++) {
		if (word == NULL) {
			return -EIO;
		}
		words[i].value = strtoll(word, &end, 10);
		words[i].err = *end == '\0' ? 0 : error_of(word);
		word = strtok_r(NULL, BETWEEN, &rest);
	}
	return 0;
}

int sim_world_read(struct sim_word words[SIM_WORLD_WORDS])
{
	const char *path = iothub_sim_option_world();
	int err;

	if (path == NULL) {
		return -ENOTSUP;
	}
	(void)k_mutex_lock(&turn, K_FOREVER);
	err = sim_host_read(path, text, sizeof(text));
	if (err > 0) {
		text[err] = '\0';
		err = parse(words);
	}
	(void)k_mutex_unlock(&turn);
	return err == -ENOTSUP ? -EIO : err;
}

static long number(const struct sim_word *word)
{
	return (long)word->value;
}

/* In the form of Nordic's AT reference: an index for RSRP, and one for SNR. */
static int answer_of(const struct sim_word *at, const char *command, char *line, size_t len)
{
	bool is_covered = at[SIM_WORLD_COVERED].value != 0;
	long rsrp = number(&at[SIM_WORLD_RSRP]) + 141;
	long snr = number(&at[SIM_WORLD_SNR]) + 24;

	if (strcmp(command, "AT%XVBAT") == 0) {
		return snprintk(line, len, "%%XVBAT: %ld\r\n",
				number(&at[SIM_WORLD_SENSORS + IOTHUB_SENSOR_BATTERY_VOLTAGE]));
	}
	if (strcmp(command, "AT%XMONITOR") == 0) {
		return !is_covered ? snprintk(line, len, "%%XMONITOR: 2\r\n")
				   : snprintk(line, len,
					      "%%XMONITOR: 1,\"Simulated\",\"Sim\",\"%ld\",\"%04lX\",7,%ld,\"%08lX\",7,%ld,%ld,%ld\r\n",
					      number(&at[SIM_WORLD_NETWORK]), number(&at[SIM_WORLD_AREA]),
					      number(&at[SIM_WORLD_BAND]), number(&at[SIM_WORLD_CELL]),
					      number(&at[SIM_WORLD_EARFCN]), rsrp, snr);
	}
	if (strcmp(command, "AT%CONEVAL") == 0) {
		return !is_covered ? snprintk(line, len, "%%CONEVAL: 1\r\n")
				   : snprintk(line, len, "%%CONEVAL: 0,1,%ld,%ld,12,%ld,\"%08lX\",\"%ld\",7,%ld,%ld,0,0,0,1,1,90\r\n",
					      number(&at[SIM_WORLD_ENERGY]), rsrp, snr, number(&at[SIM_WORLD_CELL]),
					      number(&at[SIM_WORLD_NETWORK]), number(&at[SIM_WORLD_EARFCN]),
					      number(&at[SIM_WORLD_BAND]));
	}
	return -ENOTSUP;
}

int sim_world_answer(const char *command, char *line, size_t len)
{
	struct sim_word now[SIM_WORLD_WORDS];
	int length = sim_world_read(now);

	if (length == 0) {
		length = answer_of(now, command, line, len);
	}
	return length < 0 ? length : (size_t)length >= len ? -E2BIG : 0;
}
