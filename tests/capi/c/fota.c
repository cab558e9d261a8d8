/* SPDX-License-Identifier: Apache-2.0 */
/* The events of firmware updates, in Nordic's order. tests/emulated.rs asks first for a wrong image, then for a right one. */
#include "harness.h"
#include "slot.h"

void c_fota(void);

static void handler(struct azure_iot_hub_evt *evt)
{
	switch (evt->type) {
	case AZURE_IOT_HUB_EVT_READY:
	case AZURE_IOT_HUB_EVT_FOTA_START:
	case AZURE_IOT_HUB_EVT_FOTA_DONE:
	case AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE:
	case AZURE_IOT_HUB_EVT_FOTA_ERROR:
		harness_handler(evt);
		break;
	case AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING:
		harness_handler(evt);
		slot_may_be_erased();
		break;
	default:
		break;
	}
}

void c_fota(void)
{
	const struct azure_iot_hub_config config = harness_config();

	slot_is_used();
	harness_network();
	CHECK_INT(azure_iot_hub_init(handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	/* No host. */
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_ERROR);
	/* Another hash. */
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_START);
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING);
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE);
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_ERROR);
	/* As Nordic's library, this one leaves the restart to the application. */
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_START);
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING);
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE);
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_DONE);
	harness_expect_silence();
	CHECK_INT(azure_iot_hub_disconnect(), 0);
}
