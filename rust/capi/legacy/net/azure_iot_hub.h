/* SPDX-License-Identifier: Apache-2.0 */
/* Made from rust/capi/src by rust/capi/regenerate: change it there. The conventions: rust/capi/README.md. */

#ifndef AZURE_IOT_HUB__
#define AZURE_IOT_HUB__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <zephyr/net/mqtt.h>

#define azure_iot_hub_init azure_iot_hub_legacy_init
#define azure_iot_hub_connect azure_iot_hub_legacy_connect
#define azure_iot_hub_disconnect azure_iot_hub_legacy_disconnect
#define azure_iot_hub_send azure_iot_hub_legacy_send
#define azure_iot_hub_input azure_iot_hub_legacy_input
#define azure_iot_hub_ping azure_iot_hub_legacy_ping
#define azure_iot_hub_method_respond azure_iot_hub_legacy_method_respond
#define azure_iot_hub_keepalive_time_left azure_iot_hub_legacy_keepalive_time_left
#define azure_iot_hub_dps_reset azure_iot_hub_legacy_dps_reset

/*
 What happened.
 */
enum azure_iot_hub_evt_type {
        /*
         A connection is being opened. No data.
         */
        AZURE_IOT_HUB_EVT_CONNECTING = 1,
        /*
         The hub accepted the connection. data.persistent_session: it has kept the session.
         */
        AZURE_IOT_HUB_EVT_CONNECTED,
        /*
         The hub refused the connection. data.err: the return code of CONNACK, 1 to 5. No
         AZURE_IOT_HUB_EVT_DISCONNECTED follows.
         */
        AZURE_IOT_HUB_EVT_CONNECTION_FAILED,
        /*
         Every subscription is granted: messages, twin and methods arrive from now on. No data.
         */
        AZURE_IOT_HUB_EVT_READY,
        /*
         The connection has ended. data.err: 0 after azure_iot_hub_disconnect(), else a negative
         errno.
         */
        AZURE_IOT_HUB_EVT_DISCONNECTED,
        /*
         A cloud-to-device message: data.msg, topic with its properties, decoded.
         */
        AZURE_IOT_HUB_EVT_DATA_RECEIVED,
        /*
         The hub has a QoS 1 message. data.message_id: the one given to azure_iot_hub_send().
         */
        AZURE_IOT_HUB_EVT_PUBACK,
        /*
         The whole twin: data.msg, topic.
         */
        AZURE_IOT_HUB_EVT_TWIN_RECEIVED,
        /*
         The desired properties have changed: data.msg, topic.
         */
        AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED,
        /*
         The hub accepted reported properties: data.result, topic.
         */
        AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS,
        /*
         A twin request failed: data.result with request id and status, also where no answer came
         (504).
         */
        AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL,
        /*
         A connection to the provisioning service is being opened. No data.
         */
        AZURE_IOT_HUB_EVT_DPS_CONNECTING,
        /*
         The provisioning service is working on it. No data.
         */
        AZURE_IOT_HUB_EVT_DPS_REGISTERING,
        /*
         The provisioning service has named the hub. No data.
         */
        AZURE_IOT_HUB_EVT_DPS_DONE,
        /*
         The provisioning service refused, did not answer, or was not reached. No data.
         */
        AZURE_IOT_HUB_EVT_DPS_FAILED,
        /*
         The service calls a method: data.method, topic. To be answered with
         azure_iot_hub_method_respond().
         */
        AZURE_IOT_HUB_EVT_DIRECT_METHOD,
        /*
         An image is being fetched. No data.
         */
        AZURE_IOT_HUB_EVT_FOTA_START,
        /*
         The image is in place: a restart, which is the application's, runs it. No data.
         */
        AZURE_IOT_HUB_EVT_FOTA_DONE,
        /*
         The slot cannot be erased while LTE is active. No data.
         */
        AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING,
        /*
         The slot is erased. No data.
         */
        AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE,
        /*
         The update came to nothing; the reported property firmware.reason says why. No data.
         */
        AZURE_IOT_HUB_EVT_FOTA_ERROR,
        /*
         An accepted QoS 1 message had to be given up, or one from the hub was larger than the
         payload buffer (-EMSGSIZE). data.err: a negative errno.
         */
        AZURE_IOT_HUB_EVT_ERROR,
};

/*
 Where a message belongs.
 */
enum azure_iot_hub_topic_type {
        /*
         Received: a cloud-to-device message, and what arrives on no topic of the hub's.
         */
        AZURE_IOT_HUB_TOPIC_DEVICEBOUND,
        /*
         To send: telemetry.
         */
        AZURE_IOT_HUB_TOPIC_EVENT,
        /*
         Received: a change of the desired properties.
         */
        AZURE_IOT_HUB_TOPIC_TWIN_DESIRED,
        /*
         To send: reported properties, a JSON object. Received: the answer to them.
         */
        AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
        /*
         To send: a request for the twin. Received: the answer to it.
         */
        AZURE_IOT_HUB_TOPIC_TWIN_REQUEST,
};

/*
 As whom to connect. Copied.
 */
struct azure_iot_hub_config {
        /*
         Without effect: the socket is the library's business.
         */
        int socket;
        /*
         The device; NULL: CONFIG_AZURE_IOT_HUB_DEVICE_ID. Where DPS is asked, the registration id.
         */
        char *device_id;
        /*
         The length of device_id.
         */
        size_t device_id_len;
};

/*
 A property of a message: UTF-8. Sent percent-encoded; one that is percent-encoded already is
 left so.
 */
struct azure_iot_hub_prop_bag {
        /*
         The name, terminated by 0; not empty.
         */
        char *key;
        /*
         The value, terminated by 0: "" is sent as `key=`, NULL as `key`.
         */
        char *value;
};

/*
 Topic and properties.
 */
struct azure_iot_hub_topic_data {
        /*
         What kind of topic.
         */
        enum azure_iot_hub_topic_type type;
        /*
         Received: the topic as it came; not terminated.
         */
        char *str;
        /*
         Its length.
         */
        size_t len;
        /*
         The properties.
         */
        struct azure_iot_hub_prop_bag *prop_bag;
        /*
         How many.
         */
        size_t prop_bag_count;
};

/*
 A message.
 */
struct azure_iot_hub_data {
        /*
         Where it belongs.
         */
        struct azure_iot_hub_topic_data topic;
        /*
         The body; not terminated.
         */
        char *ptr;
        /*
         Its length.
         */
        size_t len;
        /*
         0 or 1.
         */
        enum mqtt_qos qos;
        /*
         Comes back with AZURE_IOT_HUB_EVT_PUBACK. 0: one is made.
         */
        uint16_t message_id;
        /*
         Without effect: repetitions are the library's business.
         */
        uint8_t dup_flag;
        /*
         1: the hub shows the property mqtt-retain with the message; it stores no message for that.
         */
        uint8_t retain_flag;
};

/*
 A call of a direct method.
 */
struct azure_iot_hub_method {
        /*
         Its name, terminated by 0.
         */
        const char *name;
        /*
         To be given back with the answer, terminated by 0; copy it to answer later.
         */
        char *rid;
        /*
         Its argument; not terminated.
         */
        const char *payload;
        /*
         Its length.
         */
        size_t payload_len;
};

/*
 The answer to a method, or to a twin request.
 */
struct azure_iot_hub_result {
        /*
         What it answers, terminated by 0.
         */
        char *rid;
        /*
         As of HTTP.
         */
        uint32_t status;
        /*
         The body; not terminated.
         */
        const char *payload;
        /*
         Its length.
         */
        size_t payload_len;
};

/*
 What belongs to an event.
 */
union azure_iot_hub_evt_data {
        /*
         A message.
         */
        struct azure_iot_hub_data msg;
        /*
         A call.
         */
        struct azure_iot_hub_method method;
        /*
         An answer.
         */
        struct azure_iot_hub_result result;
        /*
         An error: see the type of the event.
         */
        int err;
        /*
         The hub has kept the session.
         */
        bool persistent_session;
        /*
         Which message.
         */
        uint16_t message_id;
};

/*
 An event. It and all it leads to end when the handler returns.
 */
struct azure_iot_hub_evt {
        /*
         What happened.
         */
        enum azure_iot_hub_evt_type type;
        /*
         What belongs to it.
         */
        union azure_iot_hub_evt_data data;
        /*
         The topic of a received message.
         */
        struct azure_iot_hub_topic_data topic;
};

/*
 Is called for each event, by one thread at a time.
 */
typedef void (*azure_iot_hub_evt_handler_t)(struct azure_iot_hub_evt *evt);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Sets device id and handler. To be called before all else; again only while there is no
 connection.

 Returns 0; -EALREADY between azure_iot_hub_connect() and the end of the connection; -EINVAL for
 no handler, or a device id that is NULL with a length or not UTF-8; -EMSGSIZE for one of more
 than 128 bytes.

 # Safety
 `config` is NULL or valid, and so is its device id, until this returns; the handler may be
 called until the next call of this function.
 */
int azure_iot_hub_legacy_init(const struct azure_iot_hub_config *config,
                              azure_iot_hub_evt_handler_t event_handler);

/*
 Connects to the hub, by way of DPS where that is configured and has not named the hub yet. The
 event that says whom is connected to, AZURE_IOT_HUB_EVT_DPS_CONNECTING or _CONNECTING, comes
 inside this call, on the caller's thread. Returns when the connection to that one is up on the
 transport level, which takes as long as name resolution, TCP and TLS; called from inside the
 handler it returns at once, and after 10 s where the handler does not let it begin.

 Returns 0; -ENOENT before azure_iot_hub_init(); -EALREADY when connected; -EINPROGRESS when
 connecting; -EINVAL for names that are none; -ETIMEDOUT where no answer came; -ECONNREFUSED
 where TLS refused; -EHOSTUNREACH where the name could not be resolved; -ECANCELED after
 azure_iot_hub_disconnect() on another thread; else what the socket says. Never positive.
 */
int azure_iot_hub_legacy_connect(void);

/*
 Ends the connection, or the attempt at one; AZURE_IOT_HUB_EVT_DISCONNECTED follows.

 Returns 0; -ENOTCONN when neither connected nor connecting.
 */
int azure_iot_hub_legacy_disconnect(void);

/*
 Hands over telemetry, reported properties or a request for the twin. Everything is copied. Where
 there is no room it waits for that, but not inside the handler, and no longer than
 CONFIG_MQTT_HELPER_SEND_TIMEOUT_SEC. A QoS 1 message is kept until the hub has it.

 Returns 0; -EINVAL for NULL, NULL with a length, a QoS other than 0 and 1, a property that is
 empty or not UTF-8, reported properties that are no JSON object (empty ones stand for {});
 -ENOTCONN when not connected; -ENOMSG for another type of topic; -EMSGSIZE where properties or
 payload are larger than CONFIG_IOTHUB_MESSAGE_SIZE; -ENOMEM where there was no room in time, or
 inside the handler.

 # Safety
 `tx_data` is NULL or valid, and so is all it leads to, until this returns.
 */
int azure_iot_hub_legacy_send(const struct azure_iot_hub_data *tx_data);

/*
 Without effect: what the hub sends is received by itself. Returns 0; -ENOTCONN when not
 connected.
 */
int azure_iot_hub_legacy_input(void);

/*
 Without effect: the connection is kept alive by itself. Returns 0; -ENOTCONN when not connected.
 */
int azure_iot_hub_legacy_ping(void);

/*
 Answers a direct method, from inside the handler or later, once, within
 CONFIG_IOTHUB_METHOD_TIMEOUT_S.

 Returns 0; -EINVAL for NULL, NULL with a length, a status above INT_MAX, a payload that is not
 JSON; -ENOTCONN when not connected; -EFAULT where no call waits under this request id, or the
 answer is larger than the buffers; -ENXIO where there was no room in time (as with
 azure_iot_hub_send()).

 # Safety
 `result` is NULL or valid, and so is all it leads to, until this returns.
 */
int azure_iot_hub_legacy_method_respond(struct azure_iot_hub_result *result);

/*
 How long the connection lives without a word, in milliseconds: within that the library sends
 one. -1 without a keep-alive.
 */
int azure_iot_hub_legacy_keepalive_time_left(void);

/*
 Forgets the hub and the device id that the provisioning service has assigned: the next connect
 asks it again.

 Returns 0; -EFAULT where the settings fail.
 */
int azure_iot_hub_legacy_dps_reset(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AZURE_IOT_HUB__ */
