/* SPDX-License-Identifier: Apache-2.0 */
/* The faults of Zephyr's flash simulator: from a write or an erase on it does nothing any more, and says that it did. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/stats/stats.h>

void cut_at(uint32_t writes, uint32_t bytes, uint32_t erases);
void power_on(void);
uint32_t write_calls(void);
uint32_t erase_calls(void);

struct wanted {
	const char *name;
	uint32_t *found;
};

static int look(struct stats_hdr *hdr, void *argument, const char *name, uint16_t offset)
{
	struct wanted *wanted = argument;

	if (strcmp(name, wanted->name) == 0) {
		wanted->found = (uint32_t *)((uint8_t *)hdr + offset);
	}
	return 0;
}

static uint32_t *entry(const char *group, const char *name)
{
	struct wanted wanted = {.name = name};
	struct stats_hdr *hdr = stats_group_find(group);

	__ASSERT_NO_MSG(hdr != NULL);
	(void)stats_walk(hdr, look, &wanted);
	__ASSERT_NO_MSG(wanted.found != NULL);
	return wanted.found;
}

uint32_t write_calls(void)
{
	return *entry("flash_sim_stats", "flash_write_calls");
}

uint32_t erase_calls(void)
{
	return *entry("flash_sim_stats", "flash_erase_calls");
}

/* In the write with this number from now on only so many bytes are written, and none in those after it. 0: as many as there are. */
void cut_at(uint32_t writes, uint32_t bytes, uint32_t erases)
{
	*entry("flash_sim_thresholds", "max_len") = bytes;
	*entry("flash_sim_thresholds", "max_write_calls") = writes == 0 ? 0 : write_calls() + writes;
	*entry("flash_sim_thresholds", "max_erase_calls") = erases == 0 ? 0 : erase_calls() + erases;
}

void power_on(void)
{
	cut_at(0, 0, 0);
}
