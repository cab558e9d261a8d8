/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <net/mqtt_helper.h>
#include <modem/lte_lc.h>
#include <modem/modem_key_mgmt.h>
#include <modem/nrf_modem_lib.h>
#include <modem/pdn.h>
#include <iothub_platform.h>
