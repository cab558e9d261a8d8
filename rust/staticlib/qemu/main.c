/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine without an operating system around the static library: QEMU's mps2-an505, a Cortex-M33. Has the vectors
 * judged, then plays the modem, the hub and DPS for one driver, on stacks that are painted beforehand.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <iothub_platform.h>
#include <modem/lte_lc.h>
#include <modem/nrf_modem_lib.h>
#include <modem/pdn.h>
#include <net/mqtt_helper.h>

#include "machine.h"

#define STACK 8192
#define PAINT 0xa5
#define BUDGET 2048

void check_vectors(void);
void call_start(void);
void call_connect(void);
void call_send(void);
void call_report(void);
void call_status(void);
void call_request_twin(void);

static void print(const char *format, ...);

void tell(const char *text, size_t length)
{
	print("%.*s\n", (int)length, text);
}

void give_up(void)
{
	leave(1);
}

/* Stacks. */

struct stack {
	const char *name;
	uint8_t bytes[STACK] __attribute__((aligned(8)));
};

static struct stack application = { .name = "a call of the application" };
static bool over;
static struct stack driver = { .name = "the driver's thread" };
static struct stack helper = { .name = "a callback of mqtt_helper or the modem" };
static uintptr_t thread = 1;

__attribute__((naked)) static void on_stack(void (*call)(void), void *top)
{
	__asm__ volatile("push {r4, lr}\n"
			 "mov r4, sp\n"
			 "mov sp, r1\n"
			 "blx r0\n"
			 "mov sp, r4\n"
			 "pop {r4, pc}\n");
}

/* On a stack of its own: what is measured is the library. */
static struct {
	const char *format;
	va_list arguments;
} printing;

static void print_now(void)
{
	static char line[256];

	vsnprintf(line, sizeof(line), printing.format, printing.arguments);
	semihosting(0x04, line);
}

static void print(const char *format, ...)
{
	static uint8_t bytes[STACK] __attribute__((aligned(8)));

	printing.format = format;
	va_start(printing.arguments, format);
	on_stack(print_now, bytes + STACK);
	va_end(printing.arguments);
}

static void run(struct stack *stack, uintptr_t as, void (*call)(void))
{
	uintptr_t before = thread;

	thread = as;
	on_stack(call, stack->bytes + STACK);
	thread = before;
}

static unsigned int depth(const struct stack *stack)
{
	unsigned int unused = 0;

	while (unused < STACK && stack->bytes[unused] == PAINT) {
		unused++;
	}
	return STACK - unused;
}

/* A call of the application, with its own figure. */
static void call(const char *name, void (*function)(void))
{
	memset(application.bytes, PAINT, STACK);
	run(&application, 1, function);
	if (depth(&application) > BUDGET) {
		over = true;
	}
	print("stack %5u B  %s\n", depth(&application), name);
}

/* What the library told the platform. */

static struct mqtt_helper_cfg mqtt;
static pdn_event_handler_t on_pdn;
static lte_lc_evt_handler_t on_lte;
static void (*driver_entry)(void);
static int64_t now = 1000;
static uint16_t subscribed, published;
static char rid[24];

/* What a callback gets. */
static const char *topic, *payload;
static char text[160];

static void attach(void)
{
	struct lte_lc_evt event = { .type = LTE_LC_EVT_NW_REG_STATUS,
				    .nw_reg_status = LTE_LC_NW_REG_REGISTERED_HOME };

	on_pdn(0, PDN_EVENT_ACTIVATED, -1);
	on_lte(&event);
	on_pdn(0, PDN_EVENT_IPV6_UP, 0);
}

static void connack(void)
{
	mqtt.cb.on_connack(0, false);
}

static void suback(void)
{
	mqtt.cb.on_suback(subscribed, 0);
}

static void puback(void)
{
	mqtt.cb.on_puback(published, 0);
}

static void pingresp(void)
{
	mqtt.cb.on_pingresp();
}

static void reset(void)
{
	mqtt.cb.on_disconnect(-ECONNRESET);
}

static void deliver(void)
{
	mqtt.cb.on_publish((struct mqtt_helper_buf){ (char *)topic, strlen(topic) },
			   (struct mqtt_helper_buf){ (char *)payload, strlen(payload) });
}

/* A message whose topic has the last $rid in the place of %s. */
static void message(const char *format, const char *body)
{
	snprintf(text, sizeof(text), format, rid);
	topic = text;
	payload = body;
	run(&helper, 3, deliver);
}

static void finish(void)
{
	print("stack %5u B  %s\n", depth(&driver), driver.name);
	print("stack %5u B  %s\n", depth(&helper), helper.name);
	if (depth(&driver) > BUDGET || depth(&helper) > BUDGET) {
		over = true;
	}
	if (over) {
		print("over the budget of %u B\n", BUDGET);
	}
	leave(over);
}

/* What happens each time the driver waits. */
static void turn(int64_t deadline)
{
	static unsigned int turns;

	now += 10;
	switch (turns++) {
	case 0:
		run(&helper, 3, attach);
		break;
	case 1:
		run(&helper, 3, connack);
		break;
	case 2:
		run(&helper, 3, suback);
		break;
	case 3:
		message("$dps/registrations/res/200/?$rid=%s",
			"{\"operationId\":\"4.d0a671905ea5b2c8\",\"status\":\"assigned\",\"registrationState\":{"
			"\"assignedHub\":\"contoso.azure-devices.net\",\"deviceId\":\"device\",\"payload\":{\"a\":1}}}");
		break;
	case 5:
		run(&helper, 3, connack);
		break;
	case 6:
		run(&helper, 3, suback);
		break;
	case 7:
		message("$iothub/twin/res/200/?$rid=%s",
			"{\"desired\":{\"interval\":5,\"$version\":7},\"reported\":{\"$version\":3}}");
		call("send", call_send);
		break;
	case 8:
		run(&helper, 3, puback);
		call("report", call_report);
		break;
	case 9:
		message("$iothub/twin/res/204/?$rid=%s&$version=4", "");
		call("status", call_status);
		call("request_twin", call_request_twin);
		break;
	case 10:
		message("$iothub/methods/POST/led*set/?$rid=1", "[1]");
		break;
	case 11:
		message("devices/device/messages/devicebound/%%24.mid=1&a%%20b=c%%2Fd", "hello");
		break;
	case 12:
		message("$iothub/twin/PATCH/properties/desired/?$version=9", "{\"interval\":6,\"$version\":9}");
		break;
	case 13:
		message("somebody/else", "");
		break;
	case 14:
		run(&helper, 3, pingresp);
		break;
	case 15:
		run(&helper, 3, reset);
		break;
	case 17:
		finish();
		break;
	default:
		/* Time passes. */
		now = deadline > now ? deadline : now;
		break;
	}
}

/* The seam. */

int nrf_modem_lib_init(void)
{
	return 0;
}

int pdn_default_ctx_cb_reg(pdn_event_handler_t handler)
{
	on_pdn = handler;
	return 0;
}

int lte_lc_connect_async(lte_lc_evt_handler_t handler)
{
	on_lte = handler;
	return 0;
}

int mqtt_helper_init(struct mqtt_helper_cfg *config)
{
	mqtt = *config;
	return 0;
}

int mqtt_helper_connect(struct mqtt_helper_conn_params *parameters)
{
	print("connect %s %.*s\n", parameters->hostname.ptr, (int)parameters->user_name.size,
	      parameters->user_name.ptr);
	return 0;
}

int mqtt_helper_disconnect(void)
{
	return 0;
}

int mqtt_helper_subscribe(struct mqtt_subscription_list *list)
{
	subscribed = list->message_id;
	return 0;
}

int mqtt_helper_publish(const struct mqtt_publish_param *parameters)
{
	const struct mqtt_utf8 *name = &parameters->message.topic.topic;
	size_t length;

	for (size_t at = 0; at + 5 < name->size; at++) {
		if (memcmp(name->utf8 + at, "$rid=", 5) == 0) {
			length = name->size - at - 5;
			length = length < sizeof(rid) - 1 ? length : sizeof(rid) - 1;
			memcpy(rid, name->utf8 + at + 5, length);
			rid[length] = 0;
			rid[strcspn(rid, "&")] = 0;
		}
	}
	published = parameters->message_id;
	print("publish %.*s %.*s\n", (int)name->size, name->utf8, (int)parameters->message.payload.len,
	      parameters->message.payload.data);
	return 0;
}

int nrf_modem_lib_shutdown(void)
{
	return 0;
}

int lte_lc_power_off(void)
{
	return 0;
}

void iothub_platform_modem_watch(void (*handler)(unsigned int what, int value))
{
}

int iothub_platform_at(const char *command, char *answer, size_t len)
{
	return -ENOTSUP;
}

int iothub_platform_apn_set(const char *apn)
{
	return 0;
}

int iothub_platform_mqtt_abort(void)
{
	return 0;
}

int iothub_platform_mqtt_nodelay(void)
{
	return 0;
}

int iothub_platform_mqtt_release(void)
{
	return 0;
}

int iothub_platform_mqtt_discard(struct mqtt_client *client, const struct mqtt_evt *event)
{
	return 0;
}

int iothub_platform_mqtt_peer(uint8_t address[16])
{
	static const uint8_t nat64[16] = { 0, 0x64, 0xff, 0x9b, [12] = 198, 51, 100, 1 };

	memcpy(address, nat64, sizeof(nat64));
	return sizeof(nat64);
}

int64_t iothub_platform_uptime_ms(void)
{
	return now;
}

void iothub_platform_wait(unsigned int waiter, int64_t deadline_ms)
{
	if (waiter == IOTHUB_WAITER_DRIVER) {
		turn(deadline_ms);
	}
}

void iothub_platform_wake(unsigned int waiter)
{
}

void iothub_platform_lock(void)
{
}

void iothub_platform_unlock(void)
{
}

int iothub_platform_thread_start(void (*entry)(void))
{
	driver_entry = entry;
	return 0;
}

uintptr_t iothub_platform_thread_id(void)
{
	return thread;
}

void iothub_platform_log(unsigned int level, const char *target, size_t target_len, const char *line,
			 size_t line_len)
{
	if (level <= 2) {
		print("log %u %.*s: %.*s\n", level, (int)target_len, target, (int)line_len, line);
	}
}

void iothub_platform_random(void *buffer, size_t length)
{
	memset(buffer, 7, length);
}

int iothub_platform_settings_get(const char *key, void *buffer, size_t *length)
{
	if (strcmp(key, "iothub/dps/id_scope") != 0) {
		return -ENOENT;
	}
	*length = strlen("0ne00000000");
	memcpy(buffer, "0ne00000000", *length);
	return 0;
}

int iothub_platform_settings_set(const char *key, const void *buffer, size_t length)
{
	print("store %s %.*s\n", key, (int)length, (const char *)buffer);
	return 0;
}

int iothub_platform_hardware_id(char *buffer, size_t length)
{
	static const char id[] = "352656100000001";

	memcpy(buffer, id, sizeof(id) - 1);
	return sizeof(id) - 1;
}

void iothub_platform_reboot(void)
{
	leave(1);
}

void iothub_platform_led(bool on)
{
}

void _critical_section_1_0_acquire(void)
{
}

void _critical_section_1_0_release(void)
{
}

/* The machine. */

extern uint8_t stack_top[];

void reset_handler(void)
{
	check_vectors();
	memset(driver.bytes, PAINT, STACK);
	memset(helper.bytes, PAINT, STACK);
	call("start", call_start);
	call("connect", call_connect);
	run(&driver, 2, driver_entry);
	leave(1);
}

void fault(void)
{
	print("a fault\n");
	leave(1);
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
	stack_top, reset_handler, fault, fault, fault, fault, fault, fault,
	[11] = fault, [14] = fault, [15] = fault,
};
