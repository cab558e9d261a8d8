/* SPDX-License-Identifier: Apache-2.0 */
#define PM_MCUBOOT_SECONDARY_ID 1
#define PM_IOTHUB_OUTBOX_ID 2
