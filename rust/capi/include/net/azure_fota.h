/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For applications that include Nordic's azure_fota.h: its names, and no functions. What they did, azure_iot_hub_init() does where
 * CONFIG_IOTHUB_FOTA is set; a call of them fails the build with a sentence.
 */
#ifndef AZURE_FOTA_H__
#define AZURE_FOTA_H__

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum azure_fota_evt_type {
	AZURE_FOTA_EVT_REPORT,
	AZURE_FOTA_EVT_START,
	AZURE_FOTA_EVT_DONE,
	AZURE_FOTA_EVT_ERROR,
	AZURE_FOTA_EVT_ERASE_PENDING,
	AZURE_FOTA_EVT_ERASE_DONE,
};

struct azure_fota_event {
	enum azure_fota_evt_type type;
	char *report;
	char *version;
};

typedef void (*azure_fota_callback_t)(struct azure_fota_event *fota_evt);

__attribute__((error("iothub carries out updates by itself where CONFIG_IOTHUB_FOTA is y: take the call of "
		     "azure_fota_init() out, the events come to the handler of azure_iot_hub_init()")))
int azure_fota_init(azure_fota_callback_t callback);

__attribute__((error("iothub looks at each twin document itself where CONFIG_IOTHUB_FOTA is y: take the call of "
		     "azure_fota_msg_process() out")))
int azure_fota_msg_process(const char *const buf, size_t size);

#ifdef __cplusplus
}
#endif

#endif
