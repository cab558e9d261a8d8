/* SPDX-License-Identifier: Apache-2.0 */
unsigned int irq_lock(void);
void irq_unlock(unsigned int key);
