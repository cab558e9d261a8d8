/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_platform.h on Zephyr: settings. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/settings/settings.h>
#include <zephyr/sys/util.h>

#include <iothub_platform.h>

#include "forget.h"

struct request {
	void *buf;
	size_t room;
	size_t length;
	int result;
};

/* Called for the key itself (name is empty) and for everything below it, in no order to rely on. */
static int on_value(const char *name, size_t len, settings_read_cb read, void *read_arg,
		    void *param)
{
	struct request *request = param;

	if (name != NULL && name[0] != '\0') {
		return 0;
	}
	request->length = len;
	if (len > request->room) {
		request->result = -ENOSPC;
		return 0;
	}
	ssize_t got = read(read_arg, request->buf, len);

	request->result = got < 0 ? (int)got : 0;
	return 0;
}

static int start(void)
{
	static bool started;

	if (!started) {
		int err = settings_subsys_init();

		if (err != 0) {
			return err;
		}
		started = true;
	}
	return 0;
}

int iothub_platform_settings_get(const char *key, void *buf, size_t *len)
{
	struct request request = { .buf = buf, .room = *len, .result = -ENOENT };
	int err = start();

	if (err == 0) {
		err = settings_load_subtree_direct(key, on_value, &request);
	}
	if (err != 0) {
		return err;
	}
	if (request.result != -ENOENT) {
		*len = request.length;
	}
	/* A value of length 0 is how some back ends keep a deleted one. */
	if (request.result == 0 && request.length == 0) {
		return -ENOENT;
	}
	return request.result;
}

int iothub_platform_settings_set(const char *key, const void *buf, size_t len)
{
	int err = start();

	if (err != 0) {
		return err;
	}
	err = len == 0 ? settings_delete(key) : settings_save_one(key, buf, len);
	/* So FCB says that there is no room left; no key of ours is missing, its other cause. */
	return IS_ENABLED(CONFIG_SETTINGS_FCB) && err == -EINVAL ? -ENOSPC : err;
}

static int forget(const char *const *keys, size_t count)
{
	int result = 0;

	for (size_t i = 0; i < count; i++) {
		int err = iothub_platform_settings_set(keys[i], NULL, 0);

		if (err != 0 && err != -ENOENT) {
			result = err;
		}
	}
	return result;
}

int iothub_forget_assignment(void)
{
	/* The last two are Nordic's library's, which count where the first two are not there. */
	static const char *const keys[] = {
		"iothub/dps/assigned_hub",
		"iothub/dps/assigned_device_id",
		"azure_iot_hub/hostname",
		"azure_iot_hub/device_id",
	};

	return forget(keys, ARRAY_SIZE(keys));
}

int iothub_forget_settings(void)
{
	static const char *const keys[] = {
		"iothub/hostname",
		"iothub/device_id",
		"iothub/apn",
		"iothub/telemetry_interval",
		"iothub/cfg",
		"iothub/cfg_own",
		"iothub/dps/id_scope",
		"iothub/dps/endpoint",
		"iothub/dps/registration_id",
		"iothub/fota/trial_s",
		"iothub/attempts",
	};
	int settings = forget(keys, ARRAY_SIZE(keys));
	int assignment = iothub_forget_assignment();

	return settings != 0 ? settings : assignment;
}
