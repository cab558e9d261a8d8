/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

struct nrf_modem_fault_info {
	uint32_t reason;
	uint32_t program_counter;
};

void nrf_modem_fault_handler(struct nrf_modem_fault_info *fault);
