/* SPDX-License-Identifier: Apache-2.0 */
/* The shell's commands: iothub status|connect|disconnect|send|twin|counters|outbox|config|dps. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/shell/shell.h>

#include <iothub_platform.h>
#include <iothub_shell.h>

#include "forget.h"

#define TEXT_MAX 384
#define VALUE_MAX 128

static char text[TEXT_MAX];

static const struct name {
	const char *shown;
	const char *key;
	const char *fallback;
} names[] = {
	{"hostname", "iothub/hostname", CONFIG_IOTHUB_HOSTNAME},
	{"device_id", "iothub/device_id", CONFIG_IOTHUB_DEVICE_ID},
	{"apn", "iothub/apn", CONFIG_IOTHUB_APN},
	{"telemetry_interval", "iothub/telemetry_interval",
	 STRINGIFY(CONFIG_IOTHUB_TELEMETRY_INTERVAL_S)},
#if defined(CONFIG_IOTHUB_DPS)
	{"dps/id_scope", "iothub/dps/id_scope", CONFIG_IOTHUB_DPS_ID_SCOPE},
	{"dps/endpoint", "iothub/dps/endpoint", CONFIG_IOTHUB_DPS_HOSTNAME},
	{"dps/registration_id", "iothub/dps/registration_id", CONFIG_IOTHUB_DPS_REGISTRATION_ID},
#endif
#if defined(CONFIG_IOTHUB_FOTA)
	{"fota/trial_s", "iothub/fota/trial_s", STRINGIFY(CONFIG_IOTHUB_FOTA_TRIAL_S)},
#endif
};

static int said(const struct shell *sh, int err, const char *done)
{
	if (err != 0) {
		shell_error(sh, "%s", text);
		return err;
	}
	shell_print(sh, "%s", done);
	return 0;
}

static int status(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	ARG_UNUSED(argv);
	iothub_shell_status(text, sizeof(text));
	return said(sh, 0, text);
}

static int counters(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	ARG_UNUSED(argv);
	iothub_shell_counters(text, sizeof(text));
	return said(sh, 0, text);
}

#if defined(CONFIG_IOTHUB_OUTBOX_FLASH)
static int outbox(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	ARG_UNUSED(argv);
	iothub_shell_outbox(text, sizeof(text));
	return said(sh, 0, text);
}
#endif

static int do_connect(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	ARG_UNUSED(argv);
	return said(sh, iothub_shell_connect(text, sizeof(text)), "connecting; the log says how it goes");
}

static int do_disconnect(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	ARG_UNUSED(argv);
	return said(sh, iothub_shell_disconnect(text, sizeof(text)), "disconnecting");
}

static int twin(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	ARG_UNUSED(argv);
	return said(sh, iothub_shell_twin(text, sizeof(text)), "asked for the twin; the log says what comes");
}

static int do_send(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	return said(sh, iothub_shell_send(argv[1], strlen(argv[1]), text, sizeof(text)), "accepted");
}

static void show(const struct shell *sh, const struct name *name)
{
	char value[VALUE_MAX + 1];
	size_t length = VALUE_MAX;
	int err = iothub_platform_settings_get(name->key, value, &length);

	if (err == 0) {
		value[length] = '\0';
		shell_print(sh, "%-20s %s", name->shown, value);
	} else if (err == -ENOENT) {
		shell_print(sh, "%-20s %s (from the build)", name->shown, name->fallback);
	} else {
		shell_error(sh, "%-20s cannot be read: %d", name->shown, err);
	}
}

static const struct name *find(const struct shell *sh, const char *shown)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i].shown, shown) == 0) {
			return &names[i];
		}
	}
	shell_error(sh, "%s is no setting: iothub config show lists them", shown);
	return NULL;
}

static int config_show(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	ARG_UNUSED(argv);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		show(sh, &names[i]);
	}
	shell_print(sh, "%-20s %d (from the build, where mqtt_helper takes it from)", "security tag",
		    CONFIG_IOTHUB_SEC_TAG);
	return 0;
}

static int store(const struct shell *sh, const char *shown, const char *value, size_t length)
{
	const struct name *name = find(sh, shown);
	int err;

	if (name == NULL) {
		return -EINVAL;
	}
	if (length > VALUE_MAX) {
		shell_error(sh, "%s is longer than %d bytes", shown, VALUE_MAX);
		return -EINVAL;
	}
	err = iothub_shell_check(name->key, value, length, text, sizeof(text));
	if (err != 0) {
		shell_error(sh, "%s", text);
		return err;
	}
	err = iothub_platform_settings_set(name->key, value, length);
	if (err != 0) {
		shell_error(sh, "%s cannot be stored: %d%s", shown, err,
			    err == -ENOSPC ? " (the settings are full)" : "");
		return err;
	}
	shell_print(sh, "stored; it counts from the next start on");
	return 0;
}

static int config_set(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	return store(sh, argv[1], argv[2], strlen(argv[2]));
}

static int config_reset(const struct shell *sh, size_t argc, char **argv)
{
	ARG_UNUSED(argc);
	return store(sh, argv[1], "", 0);
}

#if defined(CONFIG_IOTHUB_DPS)
static int dps_reset(const struct shell *sh, size_t argc, char **argv)
{
	int err = iothub_forget_assignment();

	ARG_UNUSED(argc);
	ARG_UNUSED(argv);
	if (err != 0) {
		shell_error(sh, "the assignment cannot be deleted: %d", err);
		return err;
	}
	shell_print(sh, "the assignment is forgotten; the next start registers again");
	return 0;
}

SHELL_STATIC_SUBCMD_SET_CREATE(dps_commands,
	SHELL_CMD_ARG(reset, NULL, "Forget the hub that DPS assigned", dps_reset, 1, 0),
	SHELL_SUBCMD_SET_END);
#endif

SHELL_STATIC_SUBCMD_SET_CREATE(config_commands,
	SHELL_CMD_ARG(show, NULL, "Settings, and what the build has where there is none", config_show, 1, 0),
	SHELL_CMD_ARG(set, NULL, "<name> <value>", config_set, 3, 0),
	SHELL_CMD_ARG(reset, NULL, "<name>: back to what the build has", config_reset, 2, 0),
	SHELL_SUBCMD_SET_END);

SHELL_STATIC_SUBCMD_SET_CREATE(commands,
	SHELL_CMD_ARG(status, NULL, "Phase, last error, outbox", status, 1, 0),
	SHELL_CMD_ARG(counters, NULL, "What happened since the start", counters, 1, 0),
	IF_ENABLED(CONFIG_IOTHUB_OUTBOX_FLASH,
		   (SHELL_CMD_ARG(outbox, NULL, "What is stored in flash, and its wear", outbox, 1, 0),))
	SHELL_CMD_ARG(connect, NULL, "Connect, and stay connected", do_connect, 1, 0),
	SHELL_CMD_ARG(disconnect, NULL, "Leave the hub", do_disconnect, 1, 0),
	SHELL_CMD_ARG(send, NULL, "<JSON>: a telemetry message", do_send, 2, 0),
	SHELL_CMD_ARG(twin, NULL, "Ask for the twin", twin, 1, 0),
	SHELL_CMD(config, &config_commands, "Settings that override the build", NULL),
	IF_ENABLED(CONFIG_IOTHUB_DPS, (SHELL_CMD(dps, &dps_commands, "Provisioning", NULL),))
	SHELL_SUBCMD_SET_END);

SHELL_CMD_REGISTER(iothub, &commands, "Azure IoT Hub", NULL);
