/* SPDX-License-Identifier: Apache-2.0 */
/* What the modem of src/sim_modem.c answers to AT commands that ask. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/kernel.h>

#include "sim_answers.h"
#include "sim_keys.h"
#include "sim_world.h"

static int answer_with(char *answer, size_t len, const char *line)
{
	int length = snprintk(answer, len, "%sOK\r\n", line);

	return length < 0 || (size_t)length >= len ? -E2BIG : 0;
}

/* What iothub and its application ask: what the modem is, where it is, what it runs on, and whether a credential is there. */
int sim_answer(const char *command, char *answer, size_t len)
{
	static const char list[] = "AT%CMNG=1,";
	static const char *const known[][2] = {
		{"AT+CGMR", "iothub_sim_1.0.0\r\n"},
		{"AT+CGSN", "352656100367872\r\n"},
		{"AT%XICCID", "%XICCID: 8901234567890123456F\r\n"},
		{"AT%XVBAT", "%XVBAT: 3950\r\n"},
		{"AT%XMONITOR", "%XMONITOR: 1,\"Simulated\",\"Sim\",\"50501\",\"1A2B\",7,28,\"00843200\",7,9410,44,33\r\n"},
		{"AT%CONEVAL", "%CONEVAL: 0,1,8,44,12,33,\"00843200\",\"50501\",7,9410,28,0,0,0,1,1,90\r\n"},
		{"AT+CGPADDR=0", "+CGPADDR: 0,\"192.0.2.17\"\r\n"},
	};
	char *rest;

#if defined(CONFIG_IOTHUB_SIM_WORLD)
	char line[128];

	if (sim_world_answer(command, line, sizeof(line)) == 0) {
		return answer_with(answer, len, line);
	}
#endif
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(command, known[i][0]) == 0) {
			return answer_with(answer, len, known[i][1]);
		}
	}
	if (strncmp(command, list, strlen(list)) == 0) {
		unsigned long tag = strtoul(command + strlen(list), &rest, 10);

		return answer_with(answer, len,
				   sim_keys_has(tag, *rest == ',' ? rest[1] - '0' : -1) ? "%CMNG: \r\n" : "");
	}
	return -ENOTSUP;
}
