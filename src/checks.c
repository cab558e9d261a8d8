/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations that cannot work fail the build here, each with one sentence that names the option. */
#include <zephyr/sys/util.h>
#include <zephyr/toolchain.h>

#if defined(CONFIG_AZURE_IOT_HUB)
/* Nothing else counts: with it there is no CONFIG_IOTHUB_C_API, and no option has its alias. */
BUILD_ASSERT(!IS_ENABLED(CONFIG_AZURE_IOT_HUB),
	     "CONFIG_AZURE_IOT_HUB is y: Nordic's library and iothub would share the one mqtt_helper; take the line out, "
	     "CONFIG_IOTHUB_C_API=y gives the same functions; where CMake, Kconfig or code asks for it, ask for that.");
#else

#if defined(CONFIG_IOTHUB_DPS)
#define HAS_ID_SCOPE (sizeof(CONFIG_IOTHUB_DPS_ID_SCOPE) > 1)
#else
#define HAS_ID_SCOPE 0
#endif

/* An application in C names the hub when it connects, and has the keep-alive of its prj.conf. */
#if defined(CONFIG_IOTHUB_C_API)
#define KEEP_ALIVE_MAX 1767
#else
#define KEEP_ALIVE_MAX 1177
#endif

BUILD_ASSERT(IS_ENABLED(CONFIG_MQTT_HELPER),
	     "CONFIG_MQTT_HELPER is n: iothub speaks MQTT by it; it needs CONFIG_NETWORKING and CONFIG_NET_SOCKETS, and the nRF "
	     "Connect SDK from 2.3 on.");
BUILD_ASSERT(IS_ENABLED(CONFIG_MQTT_LIB_TLS),
	     "CONFIG_MQTT_LIB_TLS is n: IoT Hub takes connections by TLS only; it needs CONFIG_MQTT_LIB and sockets with TLS.");
BUILD_ASSERT(IS_ENABLED(CONFIG_SETTINGS),
	     "CONFIG_SETTINGS is n: iothub keeps what it learns there; it needs a back end, as CONFIG_SETTINGS_FCB or _NVS.");
BUILD_ASSERT(!IS_ENABLED(CONFIG_IOTHUB_HEALTH) || IS_ENABLED(CONFIG_TASK_WDT),
	     "CONFIG_TASK_WDT is n: CONFIG_IOTHUB_HEALTH watches the threads by it; set it, or CONFIG_IOTHUB_HEALTH=n.");
BUILD_ASSERT(IS_ENABLED(CONFIG_RUST) || IS_ENABLED(CONFIG_IOTHUB_C_API),
	     "CONFIG_RUST is n: an application in C sets CONFIG_IOTHUB_C_API=y, one in Rust has zephyr-lang-rust in its "
	     "workspace.");

BUILD_ASSERT(sizeof(CONFIG_IOTHUB_HOSTNAME) > 1 || HAS_ID_SCOPE || IS_ENABLED(CONFIG_IOTHUB_C_API),
	     "CONFIG_IOTHUB_HOSTNAME is empty: name the hub, as in my-hub.azure-devices.net, or set "
	     "CONFIG_IOTHUB_DPS_ID_SCOPE.");

#if defined(CONFIG_MQTT_LIB_TLS) && defined(CONFIG_MQTT_HELPER)
BUILD_ASSERT(CONFIG_IOTHUB_SEC_TAG != -1,
	     "CONFIG_IOTHUB_SEC_TAG is -1: name the tag that the credentials lie under, as in 10.");
BUILD_ASSERT(CONFIG_IOTHUB_SEC_TAG == CONFIG_MQTT_HELPER_SEC_TAG,
	     "CONFIG_IOTHUB_SEC_TAG is not CONFIG_MQTT_HELPER_SEC_TAG: give both the same number.");
BUILD_ASSERT(CONFIG_IOTHUB_SECONDARY_SEC_TAG == CONFIG_MQTT_HELPER_SECONDARY_SEC_TAG,
	     "CONFIG_IOTHUB_SECONDARY_SEC_TAG is not CONFIG_MQTT_HELPER_SECONDARY_SEC_TAG: give both the "
	     "same number.");
#endif

BUILD_ASSERT(CONFIG_MQTT_KEEPALIVE > 0 && CONFIG_MQTT_KEEPALIVE <= KEEP_ALIVE_MAX,
	     "CONFIG_MQTT_KEEPALIVE is not 1 to 1177 (1767 with CONFIG_IOTHUB_C_API): IoT Hub drops a device after "
	     "1.5 times the keep-alive, at most 1767 s.");

#if defined(CONFIG_MQTT_HELPER_STATIC_IP_ADDRESS)
/* It puts the address where the name was, in TLS too. */
BUILD_ASSERT(sizeof(CONFIG_MQTT_HELPER_STATIC_IP_ADDRESS) == 1,
	     "CONFIG_MQTT_HELPER_STATIC_IP_ADDRESS is set: the hub's certificate, which is for its name, would be checked "
	     "against the address; take the line out.");
#endif

BUILD_ASSERT(!(IS_ENABLED(CONFIG_PDN) && IS_ENABLED(CONFIG_LTE_LC_PDN_MODULE)),
	     "CONFIG_PDN and CONFIG_LTE_LC_PDN_MODULE exclude each other: the second has replaced the first since "
	     "NCS 3.2.");

/* With the C API, modem and network are the application's business. */
#if !defined(CONFIG_IOTHUB_C_API)
BUILD_ASSERT(IS_ENABLED(CONFIG_NRF_MODEM_LIB) || IS_ENABLED(CONFIG_IOTHUB_SIM_MODEM),
	     "CONFIG_NRF_MODEM_LIB is n: where the board has no modem, set CONFIG_IOTHUB_SIM_MODEM=y.");

#if defined(CONFIG_IOTHUB_SIM_AT)
BUILD_ASSERT(IS_ENABLED(CONFIG_LTE_LC_PDN_MODULE),
	     "CONFIG_LTE_LC_PDN_MODULE is n: CONFIG_IOTHUB_SIM_AT needs an SDK since NCS 3.2, whose lte_lc has it.");
#endif

#if defined(CONFIG_NRF_MODEM_LIB)
BUILD_ASSERT(IS_ENABLED(CONFIG_LTE_LINK_CONTROL),
	     "CONFIG_LTE_LINK_CONTROL is n: iothub switches LTE on by it, and hears of the network from it.");
BUILD_ASSERT(IS_ENABLED(CONFIG_PDN) || IS_ENABLED(CONFIG_LTE_LC_PDN_MODULE),
	     "CONFIG_PDN is n: without it (or CONFIG_LTE_LC_PDN_MODULE, since NCS 3.2) nothing tells when IPv6 is "
	     "up.");
BUILD_ASSERT(!IS_ENABLED(CONFIG_LTE_AUTO_INIT_AND_CONNECT),
	     "CONFIG_LTE_AUTO_INIT_AND_CONNECT is y: the events of that connection would be lost, and iothub "
	     "connects by itself.");
#endif
#endif

/* Older names of mqtt_helper's options. They are its defaults only where zephyr/Kconfig is read before the SDK's. -1: not said. */
#if defined(CONFIG_AZURE_IOT_HUB_SEC_TAG) && CONFIG_AZURE_IOT_HUB_SEC_TAG != -1
BUILD_ASSERT(CONFIG_AZURE_IOT_HUB_SEC_TAG == CONFIG_MQTT_HELPER_SEC_TAG,
	     "CONFIG_AZURE_IOT_HUB_SEC_TAG is not CONFIG_MQTT_HELPER_SEC_TAG: only the second counts, give it the number.");
#endif
#if defined(CONFIG_AZURE_IOT_HUB_PORT) && CONFIG_AZURE_IOT_HUB_PORT != -1
BUILD_ASSERT(CONFIG_AZURE_IOT_HUB_PORT == CONFIG_MQTT_HELPER_PORT,
	     "CONFIG_AZURE_IOT_HUB_PORT is not CONFIG_MQTT_HELPER_PORT: only the second counts, give it the number.");
#endif
#if defined(CONFIG_AZURE_IOT_HUB_MQTT_RX_TX_BUFFER_LEN) && CONFIG_AZURE_IOT_HUB_MQTT_RX_TX_BUFFER_LEN != -1
BUILD_ASSERT(CONFIG_AZURE_IOT_HUB_MQTT_RX_TX_BUFFER_LEN == CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE,
	     "CONFIG_AZURE_IOT_HUB_MQTT_RX_TX_BUFFER_LEN is not CONFIG_MQTT_HELPER_RX_TX_BUFFER_SIZE: only the second "
	     "counts, give it the number.");
#endif
#if defined(CONFIG_AZURE_IOT_HUB_MQTT_PAYLOAD_BUFFER_LEN) && CONFIG_AZURE_IOT_HUB_MQTT_PAYLOAD_BUFFER_LEN != -1
BUILD_ASSERT(CONFIG_AZURE_IOT_HUB_MQTT_PAYLOAD_BUFFER_LEN == CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN,
	     "CONFIG_AZURE_IOT_HUB_MQTT_PAYLOAD_BUFFER_LEN is not CONFIG_MQTT_HELPER_PAYLOAD_BUFFER_LEN: only the second "
	     "counts, give it the number.");
#endif
#if defined(CONFIG_AZURE_IOT_HUB_STACK_SIZE) && CONFIG_AZURE_IOT_HUB_STACK_SIZE != -1
BUILD_ASSERT(CONFIG_AZURE_IOT_HUB_STACK_SIZE <= CONFIG_MQTT_HELPER_STACK_SIZE,
	     "CONFIG_AZURE_IOT_HUB_STACK_SIZE is more than CONFIG_MQTT_HELPER_STACK_SIZE: only the second counts, give it "
	     "the number.");
#endif
BUILD_ASSERT(!IS_ENABLED(CONFIG_AZURE_IOT_HUB_NATIVE_TLS) || IS_ENABLED(CONFIG_MQTT_HELPER_NATIVE_TLS),
	     "CONFIG_AZURE_IOT_HUB_NATIVE_TLS is y and CONFIG_MQTT_HELPER_NATIVE_TLS is n: only the second counts.");
BUILD_ASSERT(!IS_ENABLED(CONFIG_AZURE_IOT_HUB_STATIC_IPV4),
	     "CONFIG_AZURE_IOT_HUB_STATIC_IPV4 is y: the hub's certificate, which is for its name, would be checked against "
	     "the address; take the line out.");

BUILD_ASSERT(!IS_ENABLED(CONFIG_AZURE_FOTA),
	     "CONFIG_AZURE_FOTA is y: iothub carries out the same firmware updates itself, see CONFIG_IOTHUB_FOTA; take the "
	     "line out.");

#if defined(CONFIG_IOTHUB_FOTA)
BUILD_ASSERT(IS_ENABLED(CONFIG_DFU_TARGET) && IS_ENABLED(CONFIG_IMG_MANAGER),
	     "CONFIG_DFU_TARGET or CONFIG_IMG_MANAGER is n: CONFIG_IOTHUB_FOTA writes images by them; they need CONFIG_FLASH, "
	     "CONFIG_FLASH_MAP and CONFIG_STREAM_FLASH.");
BUILD_ASSERT(IS_ENABLED(CONFIG_DOWNLOADER) || IS_ENABLED(CONFIG_DOWNLOAD_CLIENT),
	     "CONFIG_DOWNLOADER is n (up to NCS 2.9 CONFIG_DOWNLOAD_CLIENT): CONFIG_IOTHUB_FOTA fetches images by it.");
#endif

#endif /* CONFIG_AZURE_IOT_HUB */
