/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>

unsigned int irq_lock(void);
void irq_unlock(unsigned int key);
bool arch_irq_unlocked(unsigned int key);
