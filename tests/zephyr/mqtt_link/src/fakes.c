/* SPDX-License-Identifier: Apache-2.0 */
/* Zephyr's MQTT and sockets, as far as src/mqtt_link.c calls them. */
#include <errno.h>
#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>

#include <net/mqtt_helper.h>

#include "fakes.h"

struct fakes fakes;
struct mqtt_client fake_client;

K_SEM_DEFINE(fake_closed, 0, 1);

/* Not where it is defined: the linker wraps calls between files only. */
int fake_helper_connect(void)
{
	struct mqtt_helper_conn_params params = {0};

	return mqtt_helper_connect(&params);
}

int mqtt_connect(struct mqtt_client *client)
{
	fakes.connected = client;
	return fakes.connect_result;
}

int mqtt_abort(struct mqtt_client *client)
{
	fakes.aborts++;
	fakes.aborted = client;
	if (!fakes.deaf && client == &fake_client) {
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
	fakes.option_level = level;
	fakes.option_name = name;
	fakes.option_value = length == sizeof(int) ? *(const int *)value : -1;
	if (fakes.option_errno != 0) {
		errno = fakes.option_errno;
		return -1;
	}
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
