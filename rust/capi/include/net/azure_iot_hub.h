/* SPDX-License-Identifier: Apache-2.0 */
/* Made from rust/capi/src by rust/capi/regenerate: change it there. The conventions: rust/capi/README.md. */

#ifndef AZURE_IOT_HUB__
#define AZURE_IOT_HUB__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <zephyr/net/mqtt.h>

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
         The hub answered a ping. No data.
         */
        AZURE_IOT_HUB_EVT_PINGRESP,
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
         A message was larger than the payload buffer and is lost. No data; the connection is ended.
         */
        AZURE_IOT_HUB_EVT_ERROR_MSG_SIZE,
        /*
         An accepted QoS 1 message had to be given up. data.err: a negative errno.
         */
        AZURE_IOT_HUB_EVT_ERROR,
};

/*
 Where a message belongs.
 */
enum azure_iot_hub_topic_type {
        /*
         Received: a cloud-to-device message.
         */
        AZURE_IOT_HUB_TOPIC_DEVICEBOUND,
        /*
         Received: a direct method.
         */
        AZURE_IOT_HUB_TOPIC_DIRECT_METHOD,
        /*
         Received: a change of the desired properties.
         */
        AZURE_IOT_HUB_TOPIC_TWIN_DESIRED,
        /*
         Received: the answer to a twin request.
         */
        AZURE_IOT_HUB_TOPIC_TWIN_REQUEST_RESULT,
        /*
         Not used.
         */
        AZURE_IOT_HUB_TOPIC_DPS,
        /*
         To send: telemetry.
         */
        AZURE_IOT_HUB_TOPIC_EVENT,
        /*
         To send: reported properties, a JSON object.
         */
        AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
        /*
         To send: a request for the twin.
         */
        AZURE_IOT_HUB_TOPIC_TWIN_REQUEST,
        /*
         Received on a topic that is none of the hub's.
         */
        AZURE_IOT_HUB_TOPIC_UNKNOWN,
};

/*
 Bytes; not terminated by 0.
 */
struct azure_iot_hub_buf {
        /*
         The first byte; may be NULL where the size is 0.
         */
        char *ptr;
        /*
         How many.
         */
        size_t size;
};

/*
 A property of a message: UTF-8. Sent percent-encoded; one that is percent-encoded already is
 left so.
 */
struct azure_iot_hub_property {
        /*
         The name; not empty.
         */
        struct azure_iot_hub_buf key;
        /*
         The value; may be empty.
         */
        struct azure_iot_hub_buf value;
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
         Received: the topic as it came.
         */
        struct azure_iot_hub_buf name;
        /*
         The properties.
         */
        struct azure_iot_hub_property *properties;
        /*
         How many.
         */
        size_t property_count;
};

/*
 A message.
 */
struct azure_iot_hub_msg {
        /*
         Where it belongs.
         */
        struct azure_iot_hub_topic_data topic;
        /*
         The body.
         */
        struct azure_iot_hub_buf payload;
        /*
         Of a twin request: comes back with its answer. Empty: a unique one is made.
         */
        struct azure_iot_hub_buf request_id;
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
         Its name.
         */
        struct azure_iot_hub_buf name;
        /*
         To be given back with the answer; copy it to answer later.
         */
        struct azure_iot_hub_buf request_id;
        /*
         Its argument.
         */
        struct azure_iot_hub_buf payload;
};

/*
 The answer to a method, or to a twin request.
 */
struct azure_iot_hub_result {
        /*
         What it answers.
         */
        struct azure_iot_hub_buf request_id;
        /*
         As of HTTP.
         */
        uint32_t status;
        /*
         The body.
         */
        struct azure_iot_hub_buf payload;
};

/*
 What belongs to an event.
 */
union azure_iot_hub_evt_data {
        /*
         A message.
         */
        struct azure_iot_hub_msg msg;
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

/*
 Whom to connect to, and as whom. Copied.
 */
struct azure_iot_hub_config {
        /*
         The hub; empty: CONFIG_AZURE_IOT_HUB_HOSTNAME. Not used with use_dps.
         */
        struct azure_iot_hub_buf hostname;
        /*
         The device; empty: CONFIG_AZURE_IOT_HUB_DEVICE_ID. With use_dps the registration id.
         */
        struct azure_iot_hub_buf device_id;
        /*
         Let DPS say the hub and the device id, unless it has said so before.
         */
        bool use_dps;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Sets the handler. To be called before all else; again only while there is no connection.

 Returns 0; -EALREADY between azure_iot_hub_connect() and the end of the connection; else -EINVAL
 for NULL.

 # Safety
 The handler may be called until the next call of this function.
 */
int azure_iot_hub_init(azure_iot_hub_evt_handler_t event_handler);

/*
 Connects. AZURE_IOT_HUB_EVT_CONNECTING comes inside this call, on the caller's thread. Returns
 when the connection is up on the transport level, which takes as long as name resolution, TCP
 and TLS (and DPS); called from inside the handler it returns at once, and after 10 s where the
 handler does not let it begin. NULL: everything as configured.

 use_dps without DPS in the build, or without an ID scope, stands for the last assignment of DPS
 if there is one, else for the host name.

 Returns 0; -ENOENT before azure_iot_hub_init(); -EALREADY when connected; -EINPROGRESS when
 connecting; -EINVAL for NULL with a size or texts that are no names; -EMSGSIZE for names of more
 than 128 bytes; -ETIMEDOUT where no answer came; -ECONNREFUSED where TLS or DPS refused;
 -EHOSTUNREACH where the name could not be resolved; -ECANCELED after azure_iot_hub_disconnect()
 on another thread; else what the socket says. Never positive.

 # Safety
 `config` is NULL or valid, and so are its buffers, until this returns.
 */
int azure_iot_hub_connect(const struct azure_iot_hub_config *config);

/*
 Ends the connection, or the attempt at one; AZURE_IOT_HUB_EVT_DISCONNECTED follows.

 Returns 0; -ENOTCONN when neither connected nor connecting.
 */
int azure_iot_hub_disconnect(void);

/*
 Hands over telemetry, reported properties or a request for the twin. Everything is copied. Where
 there is no room it waits for that, but not inside the handler, and no longer than
 CONFIG_MQTT_HELPER_SEND_TIMEOUT_SEC. A QoS 1 message is kept until the hub has it, over
 reconnects of this device too.

 Returns 0; -EINVAL for NULL, NULL with a size, a QoS other than 0 and 1, a property that is
 empty or not UTF-8, reported properties that are no JSON object (empty ones stand for {});
 -ENOTCONN when not connected; -ENOMSG for another type of topic; -EMSGSIZE where properties or
 payload are larger than CONFIG_IOTHUB_MESSAGE_SIZE; -ENOMEM where there was no room in time, or
 inside the handler; -EFAULT for a request id of more than 36 bytes.

 # Safety
 `tx_data` is NULL or valid, and so are its buffers, until this returns.
 */
int azure_iot_hub_send(const struct azure_iot_hub_msg *tx_data);

/*
 Answers a direct method, from inside the handler or later, once, within
 CONFIG_IOTHUB_METHOD_TIMEOUT_S.

 Returns 0; -EINVAL for NULL, NULL with a size, a status above INT_MAX, a payload that is not
 JSON; -ENOTCONN when not connected; -EFAULT where no call waits under this request id, or the
 answer is larger than the buffers; -ENXIO where there was no room in time (as with
 azure_iot_hub_send()).

 # Safety
 `result` is NULL or valid, and so are its buffers, until this returns.
 */
int azure_iot_hub_method_respond(struct azure_iot_hub_result *result);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* AZURE_IOT_HUB__ */
