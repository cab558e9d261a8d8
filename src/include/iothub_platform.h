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

/* Deadline for a wait without end. */
#define IOTHUB_FOREVER INT64_MAX

/*
 * Block until iothub_platform_wake(waiter) or until the uptime deadline_ms, whichever is first. A wake
 * that came before the wait is not lost; several wakes before it count as one. One thread a waiter.
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
 * The address that the last mqtt_helper_connect went to: 4 or 16 bytes in network order into addr, and
 * their number as result; -ENOTCONN if there was none.
 */
int iothub_platform_mqtt_peer(uint8_t addr[16]);

/* The device's identity for CONFIG_IOTHUB_DEVICE_ID_IMEI and _HW_ID: the length, or -ENOTSUP. */
int iothub_platform_hardware_id(char *buf, size_t len);

/* The board's one LED for the application; nothing where there is none. */
void iothub_platform_led(bool on);

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
