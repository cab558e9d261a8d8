/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the seam that is ours: what the Rust side needs of a platform beside the functions of
 * Nordic's SDK. On Zephyr src/ defines these, on Linux rust/host does.
 *
 * Unless a comment says otherwise, a function may be called from any thread and returns 0 or a
 * negative errno.
 */
#ifndef IOTHUB_PLATFORM_H
#define IOTHUB_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Milliseconds since boot. Never goes back. */
int64_t iothub_platform_uptime_ms(void);

/* Who waits: each has a wake flag of its own. */
#define IOTHUB_WAITER_DRIVER 0
#define IOTHUB_WAITER_APPLICATION 1
#define IOTHUB_WAITER_HANDLER 2
#define IOTHUB_WAITER_SENDER 3

/* Deadline for a wait without end. */
#define IOTHUB_FOREVER INT64_MAX

/*
 * Block until iothub_platform_wake(waiter) or until the uptime deadline_ms, whichever is first. A wake
 * that came before the wait is not lost; several wakes before it count as one. One thread a waiter, but for
 * IOTHUB_WAITER_SENDER: there a wake ends the wait of one of the threads.
 */
void iothub_platform_wait(unsigned int waiter, int64_t deadline_ms);
void iothub_platform_wake(unsigned int waiter);

/* The one lock around the client. Not recursive; held for microseconds, never across a call of C. */
void iothub_platform_lock(void);
void iothub_platform_unlock(void);

/* Starts the driver thread (its stack and priority are CONFIG_IOTHUB_THREAD_*). At most once: -EALREADY. */
int iothub_platform_thread_start(void (*entry)(void));

/* Which thread this is: the same number for the same thread, never 0. */
uintptr_t iothub_platform_thread_id(void);

/*
 * Levels as of the `log` crate: 1 error, 2 warning, 3 information, 4 debug, 5 trace. message_len bytes of
 * message are followed by a 0; target is not.
 */
void iothub_platform_log(unsigned int level, const char *target, size_t target_len,
			 const char *message, size_t message_len);

/* Fills buf with random bytes that are good enough for jitter and for a session's first request id. */
void iothub_platform_random(void *buf, size_t len);

/*
 * Settings that survive a reboot. Keys are paths such as "iothub/hostname", terminated by 0.
 * get: *len is the room on entry and the value's length on return; -ENOENT if there is none, -ENOSPC
 * (and the length needed in *len) if there is too little room. set: a length of 0 deletes.
 */
int iothub_platform_settings_get(const char *key, void *buf, size_t *len);
int iothub_platform_settings_set(const char *key, const void *buf, size_t len);

/* Restarts the device. Does not return. */
void iothub_platform_reboot(void);

/*
 * Closes the socket of mqtt_helper's connection in whatever state it is, CONNECTING included, and
 * returns once the helper's thread has left its loop, so that the next connect is accepted.
 * on_disconnect may be called on the way. 0 also where there was no connection; -ETIMEDOUT where the
 * thread did not leave in time. Not from a callback of mqtt_helper.
 */
int iothub_platform_mqtt_abort(void);

/*
 * For on_all_events of mqtt_helper, with a PUBLISH event: where the payload is larger than mqtt_helper's
 * buffer, reads it away, acknowledges it at QoS 1, and returns 1; else returns 0 and touches nothing.
 * mqtt_helper by itself leaves such a payload in the stream and never acknowledges it, so that the hub
 * sends it again after every connect.
 */
struct mqtt_client;
struct mqtt_evt;
int iothub_platform_mqtt_discard(struct mqtt_client *client, const struct mqtt_evt *event);

/* Sets TCP_NODELAY on the connection. -ENOTSUP where the stack has no such option. */
int iothub_platform_mqtt_nodelay(void);

/*
 * Tells the modem that nothing more is to be sent or to come on the connection for now, so that it lets go of the radio
 * before the network does (release assistance, 3GPP TS 36.321 and 24.301). -ENOTSUP where the SDK has no such option.
 */
int iothub_platform_mqtt_release(void);

/*
 * The address that the last mqtt_helper_connect went to: 4 or 16 bytes in network order into addr, and
 * their number as result; -ENOTCONN if there was none.
 */
int iothub_platform_mqtt_peer(uint8_t addr[16]);

/* The device's identity for CONFIG_IOTHUB_DEVICE_ID_IMEI and _HW_ID: the length, or -ENOTSUP. */
int iothub_platform_hardware_id(char *buf, size_t len);

/* The board's one LED for the application; nothing where there is none. */
void iothub_platform_led(bool on);

/*
 * Firmware updates (CONFIG_IOTHUB_FOTA). There are two slots: one runs, the other takes what is downloaded. See
 * docs/decisions/0004-fota-seam.md.
 */

/* Where an image is. Copied by iothub_platform_fota_start. */
struct iothub_fota_source {
	const char *host;
	/* Without the first '/'. */
	const char *path;
	/* Where the roots lie; none: the platform's choice. */
	const uint32_t *sec_tags;
	size_t sec_tag_count;
	/* 32 bytes, or NULL where it is not known. */
	const uint8_t *sha256;
	/* Bytes; 0 where it is not known. */
	uint32_t size;
	/* Which image it is: bytes of one with the same number, stored by an earlier start, are not fetched again. */
	uint32_t identity;
	/* 0: 443 with TLS, 80 without. */
	uint16_t port;
	/* Bytes of a request; 0: the platform's choice. */
	uint16_t fragment;
	bool tls;
};

/* What the callback is told, and with which numbers. DONE, FAILED and STOPPED end the transfer. */
#define IOTHUB_FOTA_PROGRESS 0      /* bytes stored, bytes of the image */
#define IOTHUB_FOTA_ERASE_PENDING 1 /* the slot cannot be erased yet: LTE may have to be off */
#define IOTHUB_FOTA_ERASE_DONE 2
#define IOTHUB_FOTA_DONE 3   /* complete, and of the size and the SHA-256 that were given */
#define IOTHUB_FOTA_FAILED 4 /* a cause of below, the HTTP status */
#define IOTHUB_FOTA_STOPPED 5
/* The version in the image's header: major << 24 | minor << 16 | revision, build. With its first bytes; before DONE. */
#define IOTHUB_FOTA_VERSION 6

#define IOTHUB_FOTA_CAUSE_CONNECT 1
#define IOTHUB_FOTA_CAUSE_TLS 2
#define IOTHUB_FOTA_CAUSE_TRANSFER 3
#define IOTHUB_FOTA_CAUSE_HTTP 4
#define IOTHUB_FOTA_CAUSE_SIZE 5
#define IOTHUB_FOTA_CAUSE_HASH 6
#define IOTHUB_FOTA_CAUSE_IMAGE 7
#define IOTHUB_FOTA_CAUSE_TOO_LARGE 8
#define IOTHUB_FOTA_CAUSE_STORAGE 9

typedef void (*iothub_fota_callback_t)(unsigned int event, uint32_t first, uint32_t second);

/*
 * Fetches an image into the slot that does not run, on a thread of the platform's, on which the callback is called; it
 * must not block, nor start the next one. Stored bytes survive a reboot. Every start that returned 0 is ended by DONE,
 * FAILED or STOPPED: the last that it tells, and before the next start returns. -EBUSY while another has not ended.
 */
int iothub_platform_fota_start(const struct iothub_fota_source *source, iothub_fota_callback_t callback);

/* Asks the transfer to stop, and returns at once; STOPPED follows, or how it ended by itself. -ENOENT: there is none. */
int iothub_platform_fota_cancel(void);

/* After DONE: the next boot runs the image, and the one after that the old one again unless it was confirmed. */
int iothub_platform_fota_apply(void);

/* The running image stays. 0 also where it was confirmed before. */
int iothub_platform_fota_confirm(void);

#define IOTHUB_FOTA_SLOT_RUNNING 0
#define IOTHUB_FOTA_SLOT_DOWNLOADED 1

struct iothub_fota_image {
	/* As in "1.2.3" or "1.2.3+4", terminated by 0. */
	char version[32];
	/* Of the running one: it stays. */
	bool confirmed;
};

/* What is in a slot; -ENOENT where there is no image, -ENOTSUP where its version cannot be known, but `confirmed` can. */
int iothub_platform_fota_image(unsigned int slot, struct iothub_fota_image *image);

/*
 * The flash of the outbox (CONFIG_IOTHUB_OUTBOX_FLASH): a partition that belongs to nobody else. Offsets are from its
 * beginning. See docs/decisions/0009-outbox-in-flash.md.
 */
struct iothub_flash_geometry {
	/* Bytes that are erased together. */
	uint32_t sector_size;
	uint32_t sectors;
	/* Bytes that are written together. */
	uint32_t write_size;
};

/* Before the others. -ENOENT: there is no such partition, or its pages are of different sizes. */
int iothub_platform_flash_open(struct iothub_flash_geometry *geometry);
int iothub_platform_flash_read(uint32_t at, void *buf, size_t len);
/* To erased bytes only. */
int iothub_platform_flash_write(uint32_t at, const void *buf, size_t len);
int iothub_platform_flash_erase(uint32_t at, size_t len);
/* Returns when what was written survives a power cut. */
int iothub_platform_flash_sync(void);

/* The lock around it. Not recursive; held across the calls above, and the client's lock is taken inside of it. */
void iothub_platform_flash_lock(void);
void iothub_platform_flash_unlock(void);

/* What the modem tells beside the events of the network. */
#define IOTHUB_MODEM_FAULT 0 /* It has stopped. value: NRF_MODEM_FAULT_* of nrf_modem.h. In an interrupt. */
#define IOTHUB_MODEM_CFUN 1  /* Its functional mode was set. value: the mode. On the thread that set it. */

/* From now on handler is told, where the build has such a modem. It must not wait and must not call the modem. */
void iothub_platform_modem_watch(void (*handler)(unsigned int what, int value));

/*
 * Sends one AT command, without its CR, and writes what the modem answers, with a 0 at its end. A positive result is
 * the modem's refusal: the kind in bits 16 to 23 (1 ERROR, 2 +CME ERROR, 3 +CMS ERROR), its number below. -ENOTSUP
 * where there is no modem that takes commands.
 */
int iothub_platform_at(const char *command, char *answer, size_t len);

/*
 * The access point name of the default PDN, from the next time that LTE is switched on; "" leaves the choice to the
 * network. Its address family stays the one of the build.
 */
int iothub_platform_apn_set(const char *apn);

/* One size, offset or number as C sees it, by the name that C has for it; NULL after the last. See src/abi.c. */
struct iothub_abi_entry {
	const char *name;
	uint32_t value;
};
const struct iothub_abi_entry *iothub_abi_entry(unsigned int index);

#ifdef __cplusplus
}
#endif

#endif /* IOTHUB_PLATFORM_H */
