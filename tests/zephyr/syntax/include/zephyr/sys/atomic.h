/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_SYS_ATOMIC_H
#define SYNTAX_ZEPHYR_SYS_ATOMIC_H

#include <stdbool.h>

typedef long atomic_t;
typedef long atomic_val_t;

bool atomic_cas(atomic_t *target, atomic_val_t old, atomic_val_t with);
atomic_val_t atomic_get(const atomic_t *target);
atomic_val_t atomic_set(atomic_t *target, atomic_val_t value);
atomic_val_t atomic_inc(atomic_t *target);

typedef void *atomic_ptr_t;

void *atomic_ptr_get(const atomic_ptr_t *target);
void *atomic_ptr_set(atomic_ptr_t *target, void *value);

#endif
