/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_platform.h on Zephyr: settings. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/settings/settings.h>

#include <iothub_platform.h>

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
	return len == 0 ? settings_delete(key) : settings_save_one(key, buf, len);
}
