/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the machine that a simulation runs on: native_sim's own, and in QEMU those that semihosting opens. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/util.h>

#include "sim_host.h"

#if defined(CONFIG_ARCH_POSIX)
#include <nsi_host_trampolines.h>

#define OPEN_TO_READ 0 /* O_RDONLY of every host */

static long read_file(const char *path, char *buf, size_t room)
{
	int file = nsi_host_open(path, OPEN_TO_READ);
	long got;

	if (file < 0) {
		return -ENOENT;
	}
	got = nsi_host_read(file, buf, room);
	(void)nsi_host_close(file);
	return got;
}
#elif defined(CONFIG_SEMIHOST)
#include <zephyr/arch/common/semihost.h>

static long read_file(const char *path, char *buf, size_t room)
{
	long file = semihost_open(path, SEMIHOST_OPEN_RB);
	long got;

	if (file < 0) {
		return -ENOENT;
	}
	/* Of a part, Zephyr does not say how long it is. */
	got = semihost_flen(file);
	got = got <= 0 || got >= (long)room ? -EIO : semihost_read(file, buf, got);
	(void)semihost_close(file);
	return got;
}
#else
static long read_file(const char *path, char *buf, size_t room)
{
	ARG_UNUSED(path);
	ARG_UNUSED(buf);
	ARG_UNUSED(room);
	return -ENOTSUP;
}
#endif

int sim_host_read(const char *path, char *buf, size_t room)
{
	long got = read_file(path, buf, room);

	if (got == -ENOENT || got == -ENOTSUP) {
		return (int)got;
	}
	return got <= 0 || got >= (long)room ? -EIO : (int)got;
}
