/* SPDX-License-Identifier: Apache-2.0 */
/* Zephyr's MQTT and sockets, as far as src/mqtt_link.c calls them. */
#include <errno.h>
#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>

#include "fakes.h"

struct fakes fakes;
struct mqtt_client fake_client;

K_SEM_DEFINE(fake_closed, 0, 1);

int mqtt_connect(struct mqtt_client *client)
{
	ARG_UNUSED(client);
	return fakes.connect_result;
}

int mqtt_abort(struct mqtt_client *client)
{
	ARG_UNUSED(client);
	fakes.aborts++;
	if (!fakes.deaf) {
		k_sem_give(&fake_closed);
	}
	return 0;
}

int z_impl_zsock_shutdown(int sock, int how)
{
	ARG_UNUSED(sock);
	ARG_UNUSED(how);
	fakes.shutdowns++;
	if (!fakes.has_shutdown) {
		errno = ENOTSUP;
		return -1;
	}
	k_sem_give(&fake_closed);
	return 0;
}

int z_impl_zsock_setsockopt(int sock, int level, int name, const void *value, socklen_t length)
{
	ARG_UNUSED(sock);
	ARG_UNUSED(level);
	ARG_UNUSED(name);
	ARG_UNUSED(value);
	ARG_UNUSED(length);
	return 0;
}

int mqtt_read_publish_payload_blocking(struct mqtt_client *client, void *buffer, size_t length)
{
	int got = MIN((int)length, fakes.unread);

	ARG_UNUSED(client);
	ARG_UNUSED(buffer);
	fakes.unread -= got;
	return got;
}

int mqtt_publish_qos1_ack(struct mqtt_client *client, const struct mqtt_puback_param *param)
{
	ARG_UNUSED(client);
	ARG_UNUSED(param);
	fakes.acks++;
	return 0;
}
