/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What native_sim's command line says: the network and the credentials of src/sim_modem.c, and settings that
 * go before the stored ones for this one run.
 */
#include <errno.h>
#include <string.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>
#include <zephyr/settings/settings.h>

#include <iothub_sim_modem.h>

#if defined(CONFIG_ARCH_POSIX)
#include <cmdline.h>
#include <posix_native_task.h>

static char *network;
static char *credentials;

static struct override {
	const char *key;
	char *value;
} overrides[] = {
	{"iothub/hostname", NULL},
	{"iothub/device_id", NULL},
	{"iothub/dps/id_scope", NULL},
	{"iothub/dps/endpoint", NULL},
	{"iothub/dps/registration_id", NULL},
	{"iothub/apn", NULL},
	{"iothub/telemetry_interval", NULL},
};

static void add_options(void)
{
	static struct args_struct_t options[] = {
		{.option = "network",
		 .name = "name",
		 .type = 's',
		 .dest = &network,
		 .descript = "The network that the simulated modem finds: dual-stack, ipv6-only, ..."},
		{.option = "credentials",
		 .name = "folder",
		 .type = 's',
		 .dest = &credentials,
		 .descript = "A folder with ca.pem, cert.pem and key.pem"},
		{.option = "hostname",
		 .name = "name",
		 .type = 's',
		 .dest = &overrides[0].value,
		 .descript = "In place of the setting iothub/hostname"},
		{.option = "device-id",
		 .name = "id",
		 .type = 's',
		 .dest = &overrides[1].value,
		 .descript = "In place of the setting iothub/device_id"},
		{.option = "dps-id-scope",
		 .name = "scope",
		 .type = 's',
		 .dest = &overrides[2].value,
		 .descript = "In place of the setting iothub/dps/id_scope"},
		{.option = "dps-endpoint",
		 .name = "name",
		 .type = 's',
		 .dest = &overrides[3].value,
		 .descript = "In place of the setting iothub/dps/endpoint"},
		{.option = "dps-registration-id",
		 .name = "id",
		 .type = 's',
		 .dest = &overrides[4].value,
		 .descript = "In place of the setting iothub/dps/registration_id"},
		{.option = "apn",
		 .name = "name",
		 .type = 's',
		 .dest = &overrides[5].value,
		 .descript = "In place of the setting iothub/apn"},
		{.option = "telemetry-interval",
		 .name = "seconds",
		 .type = 's',
		 .dest = &overrides[6].value,
		 .descript = "In place of the setting iothub/telemetry_interval"},
		ARG_TABLE_ENDMARKER,
	};

	native_add_command_line_opts(options);
}

NATIVE_TASK(add_options, PRE_BOOT_1, 1);

static ssize_t read_override(void *from, void *data, size_t len)
{
	const struct override *override = from;
	size_t length = MIN(len, strlen(override->value));

	memcpy(data, override->value, length);
	return length;
}

static int load_overrides(struct settings_store *store, const struct settings_load_arg *arg)
{
	ARG_UNUSED(store);
	for (size_t i = 0; i < ARRAY_SIZE(overrides); i++) {
		if (overrides[i].value != NULL) {
			(void)settings_call_set_handler(overrides[i].key, strlen(overrides[i].value),
							read_override, &overrides[i], arg);
		}
	}
	return 0;
}

static const struct settings_store_itf interface = {.csi_load = load_overrides};
static struct settings_store command_line = {.cs_itf = &interface};

/* A source that is registered after the store's is read after it, so that it has the last word. */
static int register_overrides(void)
{
	int err = settings_subsys_init();

	if (err == 0) {
		settings_src_register(&command_line);
	}
	return err;
}

SYS_INIT(register_overrides, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

const char *iothub_sim_option_network(void)
{
	return network;
}

const char *iothub_sim_option_credentials(void)
{
	return credentials;
}
#else
const char *iothub_sim_option_network(void)
{
	return NULL;
}

const char *iothub_sim_option_credentials(void)
{
	return NULL;
}
#endif
