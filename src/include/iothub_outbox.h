/* SPDX-License-Identifier: Apache-2.0 */
/* Made from rust/capi/src by rust/capi/regenerate: change it there. The conventions: rust/capi/README.md. */

#ifndef IOTHUB_OUTBOX__
#define IOTHUB_OUTBOX__

#include <stddef.h>
#include <stdint.h>

/*
 What the outbox in flash holds, what was lost since the boot and why, and how worn the flash is.
 */
struct iothub_outbox_status {
        /*
         Messages that are not acknowledged.
         */
        uint32_t depth;
        /*
         Age of the oldest of them in seconds, as far as the device was on; 0 where there is none.
         */
        uint32_t oldest_s;
        /*
         Given up, since there was no room for newer ones.
         */
        uint32_t dropped;
        /*
         Given up, since their time to live was over.
         */
        uint32_t expired;
        /*
         Given up, since they are larger than this build sends.
         */
        uint32_t too_large;
        /*
         Found damaged.
         */
        uint32_t damaged;
        /*
         Refused when they were to be sent, since there was no room.
         */
        uint32_t refused;
        /*
         Pages that hold something.
         */
        uint32_t sectors_used;
        /*
         All pages.
         */
        uint32_t sectors;
        /*
         Erases of the page that has the fewest.
         */
        uint32_t erases_min;
        /*
         Erases of the page that has the most.
         */
        uint32_t erases_max;
        /*
         Reports of iothub_outbox_report() that were given up: the hub refuses them, or this build
         cannot send what is stored.
         */
        uint32_t reports;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Tells what the outbox in flash holds.

 Returns 0; -EINVAL for NULL; -ENOTCONN without CONFIG_IOTHUB_OUTBOX_FLASH, before
 azure_iot_hub_connect() and where the partition cannot be used.

 # Safety
 `status` is NULL or valid.
 */
int iothub_outbox_status(struct iothub_outbox_status *status);

/*
 Stores in flash what was accepted and is only in RAM: before a restart of the application's own,
 and where a brown-out or battery warning leaves the milliseconds. Returns when it is done.
 */
void iothub_outbox_flush(void);

/*
 Keeps a value of the application's own in flash, under a key from 0 to 3, in place of what was
 kept there; a size of 0 takes it away. It is there when this returns, and after a power cut.
 Under 8 is one more, of at most 64 bytes.

 Returns 0; -EINVAL for NULL with a size; -EMSGSIZE for another key or more than an eighth of a
 page; -ENOMEM while there is no room; -ENOTCONN as iothub_outbox_status().

 # Safety
 `value` is NULL or leads to `size` bytes.
 */
int iothub_outbox_keep(uint8_t key, const void *value, size_t size);

/*
 Copies what was kept last under a key, as much of it as there is room for. Returns how many
 bytes, 0 where nothing was kept; -EINVAL for NULL with a size.

 # Safety
 `value` is NULL or has room for `size` bytes, which nobody else uses.
 */
int iothub_outbox_kept(uint8_t key, void *value, size_t size);

/*
 Reports properties, a JSON object, of which only the newest counts: under a key from 0 to 3 the
 last is kept, not a queue, and sent until the hub has answered, power cuts or not. Without
 CONFIG_IOTHUB_OUTBOX_FLASH it is kept in RAM.

 Returns 0; -EINVAL for NULL and for what is no JSON object; -EMSGSIZE for another key or more
 than an eighth of a page; -ENOMEM while there is no room; -ENOTCONN before
 azure_iot_hub_connect().

 # Safety
 `json` is NULL or leads to `size` bytes.
 */
int iothub_outbox_report(uint8_t key, const void *json, size_t size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* IOTHUB_OUTBOX__ */
