/* SPDX-License-Identifier: Apache-2.0 */
/* The slot of firmware images. */
#ifndef CAPI_TESTS_SLOT_H
#define CAPI_TESTS_SLOT_H

/* From now on every image finds the slot in use, which cannot be erased before slot_may_be_erased(). */
void slot_is_used(void);

/* What an application says by switching LTE off. */
void slot_may_be_erased(void);

#endif
