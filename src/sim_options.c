/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the command line of a simulation says: the network and the credentials of src/sim_modem.c, and settings that go
 * before the stored ones for this one run. native_sim has a command line of its own; in QEMU it comes by semihosting.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>
#include <zephyr/settings/settings.h>

#include <iothub_sim_modem.h>

#if defined(CONFIG_ARCH_POSIX) || defined(CONFIG_SEMIHOST)
static struct option {
	const char *name;
	const char *help;
	/* The setting in whose place it comes, if any. */
	const char *key;
	char *value;
} options[] = {
	{"network", "The network that the simulated modem finds: dual-stack, ipv6-only, ...", NULL, NULL},
	{"credentials", "A folder with ca.pem, cert.pem and key.pem", NULL, NULL},
	{"hub-address", "The IPv4 address of every name, without asking a name server", NULL, NULL},
#if defined(CONFIG_IOTHUB_SIM_WORLD)
	{"world", "A file with the state of the world around the device: see src/sim_world.h", NULL, NULL},
#endif
	{"port", "The hub's port of MQTT over TLS, in place of CONFIG_MQTT_HELPER_PORT", NULL, NULL},
	{"hostname", "In place of the setting iothub/hostname", "iothub/hostname", NULL},
	{"device-id", "In place of the setting iothub/device_id", "iothub/device_id", NULL},
	{"dps-id-scope", "In place of the setting iothub/dps/id_scope", "iothub/dps/id_scope", NULL},
	{"dps-endpoint", "In place of the setting iothub/dps/endpoint", "iothub/dps/endpoint", NULL},
	{"dps-registration-id", "In place of the setting iothub/dps/registration_id", "iothub/dps/registration_id", NULL},
	{"apn", "In place of the setting iothub/apn", "iothub/apn", NULL},
	{"fota-trial", "In place of the setting iothub/fota/trial_s", "iothub/fota/trial_s", NULL},
	{"telemetry-interval", "In place of the setting iothub/telemetry_interval", "iothub/telemetry_interval", NULL},
};

#if defined(CONFIG_ARCH_POSIX)
#include <cmdline.h>
#include <posix_native_task.h>

static void add_options(void)
{
	/* The last one, which is empty, ends the table. */
	static struct args_struct_t table[ARRAY_SIZE(options) + 1];

	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		table[i].option = (char *)options[i].name;
		table[i].name = "value";
		table[i].type = 's';
		table[i].dest = &options[i].value;
		table[i].descript = (char *)options[i].help;
	}
	native_add_command_line_opts(table);
}

NATIVE_TASK(add_options, PRE_BOOT_1, 1);

static void read_command_line(void)
{
}
#else
#include <zephyr/arch/common/semihost.h>

#define COMMAND_LINE_MAX 1024

static void take(char *word)
{
	char *value = strchr(word, '=');

	if (value == NULL || strncmp(word, "--", 2) != 0) {
		return;
	}
	*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, word + 2) == 0) {
			options[i].value = value;
		}
	}
}

static void read_command_line(void)
{
	static char line[COMMAND_LINE_MAX];
	struct {
		char *line;
		long length;
	} arguments = {line, sizeof(line)};
	char *rest = NULL;

	if (semihost_exec(SEMIHOST_GET_CMDLINE, &arguments) != 0) {
		return;
	}
	line[sizeof(line) - 1] = '\0';
	for (char *word = strtok_r(line, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		take(word);
	}
}
#endif

static ssize_t read_override(void *from, void *data, size_t len)
{
	const struct option *option = from;
	size_t length = MIN(len, strlen(option->value));

	memcpy(data, option->value, length);
	return length;
}

static int load_overrides(struct settings_store *store, const struct settings_load_arg *arg)
{
	ARG_UNUSED(store);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (options[i].key != NULL && options[i].value != NULL) {
			(void)settings_call_set_handler(options[i].key, strlen(options[i].value), read_override,
							&options[i], arg);
		}
	}
	return 0;
}

static const struct settings_store_itf interface = {.csi_load = load_overrides};
static struct settings_store command_line = {.cs_itf = &interface};

/* A source that is registered after the store's is read after it, so that it has the last word. */
static int register_overrides(void)
{
	int err;

	read_command_line();
	err = settings_subsys_init();
	if (err == 0) {
		settings_src_register(&command_line);
	}
	return err;
}

SYS_INIT(register_overrides, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

static const char *value_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (strcmp(options[i].name, name) == 0) {
			return options[i].value;
		}
	}
	return NULL;
}
#else
static const char *value_of(const char *name)
{
	ARG_UNUSED(name);
	return NULL;
}
#endif

const char *iothub_sim_option_network(void)
{
	return value_of("network");
}

const char *iothub_sim_option_credentials(void)
{
	return value_of("credentials");
}

const char *iothub_sim_option_hub_address(void)
{
	return value_of("hub-address");
}

const char *iothub_sim_option_world(void)
{
	return value_of("world");
}

uint16_t iothub_sim_option_port(void)
{
	const char *text = value_of("port");

	return text == NULL ? 0 : (uint16_t)strtoul(text, NULL, 10);
}
