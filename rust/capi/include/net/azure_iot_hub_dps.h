/* SPDX-License-Identifier: Apache-2.0 */
/* Made from rust/capi/src by rust/capi/regenerate: change it there. The conventions: rust/capi/README.md. */

#ifndef AZURE_IOT_HUB_DPS__
#define AZURE_IOT_HUB_DPS__

#include <stdint.h>
#include <net/azure_iot_hub.h>

/*
 How the registration is getting on.
 */
enum azure_iot_hub_dps_reg_status {
        /*
         Initialised.
         */
        AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED,
        /*
         DPS is working on it.
         */
        AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNING,
        /*
         Done: azure_iot_hub_dps_hostname_get() and azure_iot_hub_dps_device_id_get() have the
         result.
         */
        AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED,
        /*
         DPS refused, did not answer, or was not reached.
         */
        AZURE_IOT_HUB_DPS_REG_STATUS_FAILED,
};

/*
 Is called when the status changes: from azure_iot_hub_dps_init() on its caller's thread, else as
 the handler of azure_iot_hub.h.
 */
typedef void (*azure_iot_hub_dps_handler_t)(enum azure_iot_hub_dps_reg_status status);

/*
 How to register. Copied.
 */
struct azure_iot_hub_dps_config {
        /*
         Is called when the status changes.
         */
        azure_iot_hub_dps_handler_t handler;
        /*
         The ID scope; empty: CONFIG_AZURE_IOT_HUB_DPS_ID_SCOPE.
         */
        struct azure_iot_hub_buf id_scope;
        /*
         The registration id; empty: CONFIG_AZURE_IOT_HUB_DPS_REG_ID, else the device id.
         */
        struct azure_iot_hub_buf reg_id;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Takes over the configuration and calls the handler with
 AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED. A name that is NULL or empty is taken from the
 configuration.

 Returns 0; -EINVAL for NULL, no handler or what is not UTF-8; -EMSGSIZE for names that are too
 long; -EACCES while a registration is under way.

 # Safety
 `cfg` is NULL or valid, and so are its buffers, until this returns; the handler until
 azure_iot_hub_dps_reset().
 */
int azure_iot_hub_dps_init(struct azure_iot_hub_dps_config *cfg);

/*
 Registers. Returns when the connection to DPS is up; the handler tells the rest.

 Returns 0; -EACCES before azure_iot_hub_dps_init(), while a registration is under way, or while
 connected to a hub; -EALREADY where a hub is assigned already; -EINVAL for an ID scope or
 registration id that DPS does not allow, or without DPS in the build; else as
 azure_iot_hub_connect().
 */
int azure_iot_hub_dps_start(void);

/*
 The assigned hub's host name. The buffer is the library's, ends in a 0, and holds until another
 is assigned.

 Returns 0; -EINVAL for NULL; -ENOENT where none is assigned.

 # Safety
 `buf` is NULL or valid.
 */
int azure_iot_hub_dps_hostname_get(struct azure_iot_hub_buf *buf);

/*
 Forgets the assigned hub's host name. Returns 0, also where there was none; -EFAULT where the
 settings fail.
 */
int azure_iot_hub_dps_hostname_delete(void);

/*
 The assigned device id. The buffer is the library's, ends in a 0, and holds until another is
 assigned.

 Returns 0; -EINVAL for NULL; -ENOENT where none is assigned.

 # Safety
 `buf` is NULL or valid.
 */
int azure_iot_hub_dps_device_id_get(struct azure_iot_hub_buf *buf);

/*
 Forgets the assigned device id. Returns 0, also where there was none; -EFAULT where the settings
 fail.
 */
int azure_iot_hub_dps_device_id_delete(void);

/*
 Forgets the assignment, and gives up a registration that is under way, whose handler is not
 called any more. azure_iot_hub_dps_init() is needed again afterwards.

 Returns 0; -EFAULT where the settings fail.
 */
int azure_iot_hub_dps_reset(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AZURE_IOT_HUB_DPS__ */
