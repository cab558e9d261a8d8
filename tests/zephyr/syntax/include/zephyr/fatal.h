/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_FATAL_H
#define SYNTAX_ZEPHYR_FATAL_H

#include <stdint.h>

/* Before Zephyr 3.7 it is called z_arch_esf_t: the check has that name, too. */
struct arch_esf {
	struct {
		uint32_t lr;
		uint32_t pc;
	} basic;
};

typedef struct arch_esf z_arch_esf_t;

void k_sys_fatal_error_handler(unsigned int reason, const struct arch_esf *esf);

#endif
