/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands between the application and the SDK (the linker's --wrap) and prints, once for each pair, which thread a
 * callback arrives on and which thread makes a call that may block.
 */
#include <stdbool.h>
#include <zephyr/kernel.h>

#include <modem/lte_lc.h>
#include <modem/pdn.h>
#include <net/mqtt_helper.h>

#include <iothub_platform.h>

static void note(const char *what)
{
	static struct {
		const char *what;
		k_tid_t thread;
	} noted[64];
	static size_t count;
	const k_tid_t thread = k_current_get();
	const unsigned int key = irq_lock();
	bool known = false;

	for (size_t i = 0; i < count; i++) {
		known = known || (noted[i].what == what && noted[i].thread == thread);
	}
	if (!known && count < ARRAY_SIZE(noted)) {
		noted[count].what = what;
		noted[count++].thread = thread;
	}
	irq_unlock(key);
	if (!known) {
		printk("recorded: %s on %s\n", what, k_is_in_isr() ? "interrupt" : k_thread_name_get(thread));
	}
}

/* Calls that may block. */

#define RECORD(type, name, parameters, arguments) \
	type __real_##name parameters; \
	type __wrap_##name parameters; \
	type __wrap_##name parameters \
	{ \
		note(#name); \
		return __real_##name arguments; \
	}

RECORD(void, iothub_platform_wait, (unsigned int waiter, int64_t deadline), (waiter, deadline))
RECORD(int, iothub_platform_settings_get, (const char *key, void *buf, size_t *len), (key, buf, len))
RECORD(int, iothub_platform_settings_set, (const char *key, const void *buf, size_t len), (key, buf, len))
RECORD(int, iothub_platform_mqtt_abort, (void), ())
RECORD(int, iothub_platform_at, (const char *command, char *answer, size_t len), (command, answer, len))
RECORD(int, mqtt_helper_connect, (struct mqtt_helper_conn_params *parameters), (parameters))
RECORD(int, mqtt_helper_disconnect, (void), ())
RECORD(int, mqtt_helper_subscribe, (struct mqtt_subscription_list *list), (list))
RECORD(int, mqtt_helper_publish, (const struct mqtt_publish_param *message), (message))
RECORD(int, nrf_modem_lib_init, (void), ())
RECORD(int, nrf_modem_lib_shutdown, (void), ())

/* Callbacks: the application's are kept, ours are registered. */

static struct mqtt_helper_cfg application;

static bool on_all_events(struct mqtt_client *const client, const struct mqtt_evt *const event)
{
	note("on_all_events");
	return application.cb.on_all_events(client, event);
}

static void on_connack(enum mqtt_conn_return_code code, bool session_present)
{
	note("on_connack");
	application.cb.on_connack(code, session_present);
}

static void on_disconnect(int result)
{
	note("on_disconnect");
	application.cb.on_disconnect(result);
}

static void on_publish(struct mqtt_helper_buf topic, struct mqtt_helper_buf payload)
{
	note("on_publish");
	application.cb.on_publish(topic, payload);
}

static void on_puback(uint16_t message_id, int result)
{
	note("on_puback");
	application.cb.on_puback(message_id, result);
}

static void on_pingresp(void)
{
	note("on_pingresp");
	application.cb.on_pingresp();
}

int __real_mqtt_helper_init(struct mqtt_helper_cfg *config);
int __wrap_mqtt_helper_init(struct mqtt_helper_cfg *config);

int __wrap_mqtt_helper_init(struct mqtt_helper_cfg *config)
{
	application = *config;
	config->cb.on_all_events = on_all_events;
	config->cb.on_connack = on_connack;
	config->cb.on_disconnect = on_disconnect;
	config->cb.on_publish = on_publish;
	config->cb.on_puback = on_puback;
	config->cb.on_pingresp = on_pingresp;
	return __real_mqtt_helper_init(config);
}

static lte_lc_evt_handler_t lte_handler;

static void on_lte(const struct lte_lc_evt *const event)
{
	note("on_lte");
	lte_handler(event);
}

int __real_lte_lc_connect_async(lte_lc_evt_handler_t handler);
int __wrap_lte_lc_connect_async(lte_lc_evt_handler_t handler);

int __wrap_lte_lc_connect_async(lte_lc_evt_handler_t handler)
{
	note("lte_lc_connect_async");
	lte_handler = handler;
	return __real_lte_lc_connect_async(on_lte);
}

static pdn_event_handler_t pdn_handler;

static void on_pdn(uint8_t cid, enum pdn_event event, int reason)
{
	note("on_pdn");
	pdn_handler(cid, event, reason);
}

int __real_pdn_default_ctx_cb_reg(pdn_event_handler_t handler);
int __wrap_pdn_default_ctx_cb_reg(pdn_event_handler_t handler);

int __wrap_pdn_default_ctx_cb_reg(pdn_event_handler_t handler)
{
	pdn_handler = handler;
	return __real_pdn_default_ctx_cb_reg(on_pdn);
}

static void (*modem_handler)(unsigned int what, int value);

static void on_modem(unsigned int what, int value)
{
	note("on_modem");
	modem_handler(what, value);
}

void __real_iothub_platform_modem_watch(void (*handler)(unsigned int what, int value));
void __wrap_iothub_platform_modem_watch(void (*handler)(unsigned int what, int value));

void __wrap_iothub_platform_modem_watch(void (*handler)(unsigned int what, int value))
{
	modem_handler = handler;
	__real_iothub_platform_modem_watch(on_modem);
}
