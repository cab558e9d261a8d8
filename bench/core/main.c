/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts the instructions of each operation on QEMU's mps2-an505, whose time is made of instructions: with -icount
 * shift=8 each takes 256 ns, and SysTick counts 20 ticks a µs. Both sides have to make the same of the same input.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "inputs.h"
#include "../../rust/staticlib/qemu/machine.h"

#define SYSTICK ((volatile uint32_t *)0xe000e010)
#define SYSTICK_MAX 0xffffffu
/* Ticks of an instruction, in hundredths. */
#define TICKS_100 512u

TEXT(assigned_body,
     "{\"operationId\":\"4.d0a671905ea5b2c8.42d78160-4c78-479e-8be7-61d5e55dac0d\",\"status\":\"assigned\","
     "\"registrationState\":{\"x509\":{},\"registrationId\":\"my-device-id1\",\"createdDateTimeUtc\":"
     "\"2020-04-10T03:11:13.0276997Z\",\"assignedHub\":\"contoso.azure-devices.net\",\"deviceId\":\"my-device-id1\","
     "\"status\":\"assigned\",\"substatus\":\"initialAssignment\",\"lastUpdatedDateTimeUtc\":"
     "\"2020-04-10T03:11:13.2096201Z\",\"etag\":\"IjYxMDA4ZDQ2LTAwMDAtMDEwMC0wMDAwLTVlOGZlM2QxMDAwMCI=\"}}");
TEXT(assigning_body,
     "{\"operationId\":\"4.d0a671905ea5b2c8.42d78160-4c78-479e-8be7-61d5e55dac0d\",\"status\":\"assigning\"}");
TEXT(twin_body,
     "{\"desired\":{\"telemetryInterval\":60,\"thermostat1\":{\"__t\":\"c\",\"targetTemperature\":21.5},\"$version\":4},"
     "\"reported\":{\"batteryLevel\":57,\"manufacturer\":\"Nordic\",\"$version\":17}}");
TEXT(c2d_topic,
     "devices/my-device-id1/messages/devicebound/%24.mid=79eadb01&%24.to=%2Fdevices%2Fdev1%2Fmessages%2FdeviceBound"
     "&abc=123&level=high");
TEXT(method_topic, "$iothub/methods/POST/setTelemetryInterval/?$rid=17");
TEXT(twin_topic, "$iothub/twin/res/204/?$rid=17&$version=4");
TEXT(desired_topic, "$iothub/twin/PATCH/properties/desired/?$version=8");
TEXT(foreign_topic, "$iothub/twin/rez/200/?$rid=17");
TEXT(dps_topic, "$dps/registrations/res/202/?$rid=1&retry-after=3");

typedef size_t operation(char *output, size_t size);

void ours_prepare(void);
operation ours_nothing;
#ifdef THEIRS
void theirs_prepare(void);
#define BOTH(name) ours_##name, theirs_##name
#else
#define BOTH(name) ours_##name, NULL
#endif

/* The lines of the table. */
#define OPERATIONS                                                                                                    \
	OPERATION(connect, "client id and user name", SAME)                                                           \
	OPERATION(telemetry, "telemetry: check, topic, five properties encoded", SAME)                                \
	OPERATION(telemetry_plain, "telemetry without properties", SAME)                                              \
	OPERATION(c2d, "topic of a C2D message", SAME)                                                                \
	OPERATION(property, "the fourth property of a bag", SAME)                                                     \
	OPERATION(method, "topic of a method", SAME)                                                                  \
	OPERATION(response, "topic of a method's response", SAME)                                                     \
	OPERATION(twin_answer, "topic of a twin's answer", SAME)                                                      \
	OPERATION(desired, "topic of changed desired properties", SAME)                                               \
	OPERATION(foreign, "a topic of nobody", SAME)                                                                 \
	OPERATION(twin_document, "twin's document: its version", SAME)                                                \
	OPERATION(json, "twin's document: is it JSON", SAME)                                                          \
	OPERATION(acknowledge, "answer to a writable property", SAME_LENGTH)                                          \
	OPERATION(dps_user_name, "DPS: client id and user name", SAME)                                                \
	OPERATION(dps_topic, "DPS: topic of the registration", SAME)                                                  \
	OPERATION(dps_assigning, "DPS: answer \"assigning\"", SAME)                                                   \
	OPERATION(dps_assigned, "DPS: answer \"assigned\"", SAME)

/* Members may stand in another order. */
enum comparison { SAME, SAME_LENGTH };

#ifdef THEIRS
#define OPERATION(name, title, comparison) operation ours_##name, theirs_##name;
#else
#define OPERATION(name, title, comparison) operation ours_##name;
#endif
OPERATIONS
#undef OPERATION

static const struct row {
	const char *name;
	operation *ours, *theirs;
	enum comparison comparison;
} rows[] = {
#define OPERATION(name, title, comparison) { title, BOTH(name), comparison },
	OPERATIONS
#undef OPERATION
};

static char results[2][512];

static uint32_t ticks(operation *call, char *output, size_t size, size_t *length)
{
	uint32_t before = SYSTICK[2];

	*length = call(output, size);
	return (before - SYSTICK[2]) & SYSTICK_MAX;
}

static unsigned int count(operation *call, char *output, size_t size, size_t *length)
{
	char unused[8];
	size_t nothing;
	uint32_t around = ticks(ours_nothing, unused, sizeof(unused), &nothing);

	return (unsigned int)(((uint64_t)(ticks(call, output, size, length) - around) * 100 + TICKS_100 / 2) /
			      TICKS_100);
}

/* The versions of the API that the two ask for are dates. */
static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool are_same(const char *ours, const char *theirs, size_t length)
{
	for (size_t at = 0; at < length; at++) {
		if (ours[at] != theirs[at] && !(is_digit(ours[at]) && is_digit(theirs[at]))) {
			return false;
		}
	}
	return true;
}

static void print(const char *format, ...)
{
	static char line[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	semihosting(0x04, line);
}

void give_up(void)
{
	leave(1);
}

void reset_handler(void)
{
	bool failed = false;

	SYSTICK[1] = SYSTICK_MAX;
	SYSTICK[2] = 0;
	SYSTICK[0] = 5;
	ours_prepare();
#ifdef THEIRS
	theirs_prepare();
#endif
	for (size_t at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
		const struct row *row = &rows[at];
		size_t lengths[2] = { 0 };
		unsigned int ours = count(row->ours, results[0], sizeof(results[0]), &lengths[0]);

		if (lengths[0] == 0) {
			print("%s: no result\n", row->name);
			failed = true;
		}
		if (!row->theirs) {
			print("| %s | %u |\n", row->name, ours);
			continue;
		}
		print("| %s | %u | %u |\n", row->name, ours,
		      count(row->theirs, results[1], sizeof(results[1]), &lengths[1]));
		if (lengths[0] != lengths[1] ||
		    (row->comparison == SAME && !are_same(results[0], results[1], lengths[0]))) {
			print("%s: '%.*s' is not '%.*s'\n", row->name, (int)lengths[0], results[0], (int)lengths[1],
			      results[1]);
			failed = true;
		}
	}
	leave(failed);
}

void fault(void)
{
	print("a fault\n");
	leave(1);
}

extern uint8_t stack_top[];

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
	stack_top, reset_handler, fault, fault, fault, fault, fault, fault,
	[11] = fault, [14] = fault, [15] = fault,
};
