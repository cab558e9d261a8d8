/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What mqtt_helper does not offer: a way out of CONNECTING, ZSOCK_TCP_NODELAY, and the address it connected to.
 *
 * mqtt_helper keeps its client to itself, so the linker hands us what it calls (-Wl,--wrap=mqtt_connect and
 * --wrap=mqtt_abort). Other clients of the image come by here too: ours is the one that is connected while
 * mqtt_helper_connect() runs, on the thread that runs it. mqtt_helper's thread ends every connection with mqtt_abort, after
 * which it waits for the next one: that call tells us when a new connect is safe.
 */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/net/mqtt.h>

#include <net/mqtt_helper.h>
#if __has_include(<zephyr/net/socket_ncs.h>)
#include <zephyr/net/socket_ncs.h>
#endif

#include <iothub_platform.h>

#if defined(CONFIG_IOTHUB_SIM_MODEM)
#include <zephyr/sys/byteorder.h>

#include <iothub_sim_modem.h>
#endif

#include "nat64.h"
#include "net_names.h"

#define LEAVE_MS 2000
#define LOOK_AGAIN K_MSEC(10)

extern const k_tid_t mqtt_helper_thread;

int __real_mqtt_connect(struct mqtt_client *client);
int __real_mqtt_abort(struct mqtt_client *client);
int __wrap_mqtt_connect(struct mqtt_client *client);
int __wrap_mqtt_abort(struct mqtt_client *client);
int __real_mqtt_helper_connect(struct mqtt_helper_conn_params *params);
int __wrap_mqtt_helper_connect(struct mqtt_helper_conn_params *params);

static struct mqtt_client *client;
static k_tid_t helper_caller;
static atomic_t in_loop;
static K_SEM_DEFINE(loop_left, 0, 1);
static uint8_t peer[16];
static int peer_length;

static int transport_socket(const struct mqtt_client *of)
{
#if defined(CONFIG_MQTT_LIB_TLS)
	if (of->transport.type == MQTT_TRANSPORT_SECURE) {
		return of->transport.tls.sock;
	}
#endif
	return of->transport.tcp.sock;
}

static void remember_peer(const struct net_sockaddr *address)
{
	peer_length = 0;
	if (address->sa_family == NET_AF_INET6) {
		memcpy(peer, &((const struct net_sockaddr_in6 *)address)->sin6_addr, 16);
		peer_length = 16;
	} else if (address->sa_family == NET_AF_INET) {
		memcpy(peer, &((const struct net_sockaddr_in *)address)->sin_addr, 4);
		peer_length = 4;
	}
}

/* A field of the kernel's: read while no other thread can change it. */
static const _wait_q_t *waits_for(k_tid_t thread)
{
	const _wait_q_t *queue;

	k_sched_lock();
	queue = thread->base.pended_on;
	k_sched_unlock();
	return queue;
}

/*
 * Whether the helper's thread waits for the next connection. It leaves without mqtt_abort where it wakes up in the
 * middle of mqtt_helper_disconnect(), so it is also recognised by what it waits for: the same as before the first
 * connection.
 */
static bool is_idle(void)
{
	static const _wait_q_t *idle_queue;
	const _wait_q_t *pended_on = waits_for(mqtt_helper_thread);

	if (!atomic_get(&in_loop)) {
		if (idle_queue == NULL) {
			idle_queue = pended_on;
		}
		return true;
	}
	if (pended_on != NULL && pended_on == idle_queue) {
		atomic_set(&in_loop, 0);
		return true;
	}
	return false;
}

static bool has_left(void)
{
	const int64_t deadline = k_uptime_get() + LEAVE_MS;

	while (!is_idle()) {
		if (k_uptime_get() >= deadline) {
			return false;
		}
		(void)k_sem_take(&loop_left, LOOK_AGAIN);
	}
	return true;
}

int __wrap_mqtt_helper_connect(struct mqtt_helper_conn_params *params)
{
	int err;

	helper_caller = k_current_get();
	err = __real_mqtt_helper_connect(params);
	helper_caller = NULL;
	return err;
}

int __wrap_mqtt_connect(struct mqtt_client *of)
{
	if (helper_caller != k_current_get()) {
		return __real_mqtt_connect(of);
	}
	/* The helper's thread has the lowest priority: before the first connection, let it reach its wait. */
	while (waits_for(mqtt_helper_thread) == NULL) {
		k_msleep(1);
	}
	(void)is_idle();
	client = of;
#if defined(CONFIG_IOTHUB_SIM_MODEM)
	/* mqtt_helper has it from the build. */
	if (iothub_sim_option_port() != 0) {
		/* Of both families it lies at the same place. */
		((struct net_sockaddr_in *)of->broker)->sin_port = sys_cpu_to_be16(iothub_sim_option_port());
	}
#endif
	remember_peer(of->broker);
#if defined(CONFIG_IOTHUB_NAT64_DISCOVERY)
	/* The answer comes while the handshake goes on, before the log says where the connection went. */
	if (peer_length == 16) {
		iothub_nat64_ask();
	}
#endif
	k_sem_reset(&loop_left);

	int err = __real_mqtt_connect(of);

	atomic_set(&in_loop, err == 0);
	return err;
}

int __wrap_mqtt_abort(struct mqtt_client *of)
{
	int err = __real_mqtt_abort(of);

	if (of == client && k_current_get() == mqtt_helper_thread) {
		atomic_set(&in_loop, 0);
		k_sem_give(&loop_left);
	}
	return err;
}

int iothub_platform_mqtt_abort(void)
{
	if (client == NULL || is_idle()) {
		return 0;
	}

	/* The helper's thread reads the end of the stream and tidies up by itself. */
	if (zsock_shutdown(transport_socket(client), ZSOCK_SHUT_RDWR) == 0 && has_left()) {
		return 0;
	}

	/* A stack without shutdown: close it under the thread. */
	(void)__real_mqtt_abort(client);
	return has_left() ? 0 : -ETIMEDOUT;
}

int iothub_platform_mqtt_discard(struct mqtt_client *of, const struct mqtt_evt *event)
{
	const struct mqtt_publish_param *message = &event->param.publish;
	const struct mqtt_puback_param ack = { .message_id = message->message_id };
	size_t left = message->message.payload.len;
	uint8_t waste[64];

	if (left <= CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN) {
		return 0;
	}
	while (left > 0) {
		int got = mqtt_read_publish_payload_blocking(of, waste, MIN(left, sizeof(waste)));

		if (got <= 0) {
			return got == 0 ? -ENOTCONN : got;
		}
		left -= got;
	}
	if (message->message.topic.qos == MQTT_QOS_1_AT_LEAST_ONCE) {
		(void)mqtt_publish_qos1_ack(of, &ack);
	}
	return 1;
}

int iothub_platform_mqtt_nodelay(void)
{
#if !defined(CONFIG_NRF_MODEM_LIB)
	int on = 1;

	if (client == NULL) {
		return -ENOTCONN;
	}
	if (zsock_setsockopt(transport_socket(client), NET_IPPROTO_TCP, ZSOCK_TCP_NODELAY, &on, sizeof(on)) < 0) {
		return -errno;
	}
	return 0;
#else
	return -ENOTSUP;
#endif
}

int iothub_platform_mqtt_release(void)
{
#if defined(SO_RAI) || defined(SO_RAI_NO_DATA)
	int result;

	if (client == NULL) {
		return -ENOTCONN;
	}
#if defined(SO_RAI) /* since NCS 2.6 */
	const int rai = RAI_NO_DATA;

	result = zsock_setsockopt(transport_socket(client), ZSOCK_SOL_SOCKET, SO_RAI, &rai, sizeof(rai));
#else
	result = zsock_setsockopt(transport_socket(client), ZSOCK_SOL_SOCKET, SO_RAI_NO_DATA, NULL, 0);
#endif
	return result < 0 ? -errno : 0;
#else
	return -ENOTSUP;
#endif
}

int iothub_platform_mqtt_peer(uint8_t addr[16])
{
	if (peer_length == 0) {
		return -ENOTCONN;
	}
	memcpy(addr, peer, peer_length);
	return peer_length;
}
