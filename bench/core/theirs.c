/* SPDX-License-Identifier: Apache-2.0 */
/* The same operations by azure-sdk-for-c, called as its samples call it. */
#include <stdint.h>
#include <string.h>

#include <azure/az_core.h>
#include <azure/az_iot.h>
#include <azure/core/internal/az_span_internal.h>

#include "inputs.h"

static az_iot_hub_client hub;
static az_iot_provisioning_client dps;
static uint8_t agent[32];

static az_span span(const struct text *text)
{
	return az_span_create((uint8_t *)text->start, (int32_t)text->length);
}

/* What the application of a client that does not encode has to do itself. */
static void append(az_iot_message_properties *properties, az_span name, az_span value)
{
	uint8_t buffer[64];
	int32_t length;

	if (az_result_succeeded(_az_span_url_encode(AZ_SPAN_FROM_BUFFER(buffer), value, &length)) &&
	    az_result_succeeded(
		    az_iot_message_properties_append(properties, name, az_span_create(buffer, length)))) {
		return;
	}
}

/* As it lies in memory: digits would be counted. */
static size_t number(char *output, size_t size, uint32_t value)
{
	if (size < sizeof(value)) {
		return 0;
	}
	memcpy(output, &value, sizeof(value));
	return sizeof(value);
}

/* The client takes it encoded. */
static az_span encoded_agent(void)
{
	int32_t length = 0;

	(void)!_az_span_url_encode(AZ_SPAN_FROM_BUFFER(agent), AZ_SPAN_FROM_STR("iothub/0.1.0"), &length);
	return az_span_create(agent, length);
}

void theirs_prepare(void)
{
	az_iot_hub_client_options options = az_iot_hub_client_options_default();

	(void)!az_iot_hub_client_init(&hub, AZ_SPAN_FROM_STR("contoso.azure-devices.net"),
				      AZ_SPAN_FROM_STR("my-device-id1"), &options);
	az_iot_provisioning_client_options dps_options = az_iot_provisioning_client_options_default();

	(void)!az_iot_provisioning_client_init(&dps, AZ_SPAN_FROM_STR("global.azure-devices-provisioning.net"),
					       AZ_SPAN_FROM_STR("0ne00000000"),
					       AZ_SPAN_FROM_STR("my-device-id1"), &dps_options);
}

size_t theirs_connect(char *output, size_t size)
{
	size_t id = 0, name = 0;

	hub._internal.options.user_agent = encoded_agent();
	if (az_result_failed(az_iot_hub_client_get_client_id(&hub, output, size, &id)) ||
	    az_result_failed(az_iot_hub_client_get_user_name(&hub, output + id, size - id, &name))) {
		return 0;
	}
	return id + name;
}

size_t theirs_telemetry(char *output, size_t size)
{
	az_iot_message_properties properties;
	uint8_t buffer[192];
	size_t length = 0;

	if (az_result_failed(az_iot_message_properties_init(&properties, AZ_SPAN_FROM_BUFFER(buffer), 0))) {
		return 0;
	}
	append(&properties, AZ_SPAN_FROM_STR(AZ_IOT_MESSAGE_PROPERTIES_CONTENT_TYPE),
	       AZ_SPAN_FROM_STR("application/json"));
	append(&properties, AZ_SPAN_FROM_STR(AZ_IOT_MESSAGE_PROPERTIES_CONTENT_ENCODING),
	       AZ_SPAN_FROM_STR("utf-8"));
	append(&properties, AZ_SPAN_FROM_STR("a"), AZ_SPAN_FROM_STR("\xc3\xa9"));
	append(&properties, AZ_SPAN_FROM_STR("b"), AZ_SPAN_FROM_STR("x y/&="));
	append(&properties, AZ_SPAN_FROM_STR("level"), AZ_SPAN_FROM_STR("storage"));
	if (az_result_failed(
		    az_iot_hub_client_telemetry_get_publish_topic(&hub, &properties, output, size, &length))) {
		return 0;
	}
	return length;
}

size_t theirs_telemetry_plain(char *output, size_t size)
{
	size_t length = 0;

	if (az_result_failed(az_iot_hub_client_telemetry_get_publish_topic(&hub, NULL, output, size, &length))) {
		return 0;
	}
	return length;
}

size_t theirs_c2d(char *output, size_t size)
{
	az_iot_hub_client_c2d_request request;

	if (az_result_failed(az_iot_hub_client_c2d_parse_received_topic(&hub, span(&c2d_topic), &request))) {
		return 0;
	}
	return number(output, size, (uint32_t)az_span_size(request.properties._internal.properties_buffer));
}

size_t theirs_property(char *output, size_t size)
{
	az_iot_message_properties properties;
	az_span bag = az_span_slice_to_end(span(&c2d_topic), 43), value;

	(void)size;
	if (az_result_failed(az_iot_message_properties_init(&properties, bag, az_span_size(bag))) ||
	    az_result_failed(az_iot_message_properties_find(&properties, AZ_SPAN_FROM_STR("level"), &value))) {
		return 0;
	}
	memcpy(output, az_span_ptr(value), (size_t)az_span_size(value));
	return (size_t)az_span_size(value);
}

size_t theirs_method(char *output, size_t size)
{
	az_iot_hub_client_method_request request;

	if (az_result_failed(az_iot_hub_client_methods_parse_received_topic(&hub, span(&method_topic), &request))) {
		return 0;
	}
	return number(output, size,
		      (uint32_t)(az_span_size(request.name) * 100 + az_span_size(request.request_id)));
}

size_t theirs_response(char *output, size_t size)
{
	size_t length = 0;

	if (az_result_failed(az_iot_hub_client_methods_response_get_publish_topic(
		    &hub, AZ_SPAN_FROM_STR("17"), 200, output, size, &length))) {
		return 0;
	}
	return length;
}

size_t theirs_twin_answer(char *output, size_t size)
{
	az_iot_hub_client_twin_response response;

	if (az_result_failed(az_iot_hub_client_twin_parse_received_topic(&hub, span(&twin_topic), &response))) {
		return 0;
	}
	return number(output, size, response.status);
}

size_t theirs_desired(char *output, size_t size)
{
	az_iot_hub_client_twin_response response;
	uint32_t version = 0;

	if (az_result_failed(az_iot_hub_client_twin_parse_received_topic(&hub, span(&desired_topic), &response)) ||
	    az_result_failed(az_span_atou32(response.version, &version))) {
		return 0;
	}
	return number(output, size, version);
}

/* The sample's order: each feature is asked whether the topic is its own. */
size_t theirs_foreign(char *output, size_t size)
{
	az_iot_hub_client_twin_response response;
	az_iot_hub_client_method_request method;
	az_iot_hub_client_c2d_request c2d;
	az_span topic = span(&foreign_topic);

	if (az_result_succeeded(az_iot_hub_client_twin_parse_received_topic(&hub, topic, &response)) ||
	    az_result_succeeded(az_iot_hub_client_methods_parse_received_topic(&hub, topic, &method)) ||
	    az_result_succeeded(az_iot_hub_client_c2d_parse_received_topic(&hub, topic, &c2d))) {
		return 0;
	}
	return number(output, size, 7);
}

size_t theirs_twin_document(char *output, size_t size)
{
	az_json_reader reader;
	int32_t version = 0;

	if (az_result_failed(az_json_reader_init(&reader, span(&twin_body), NULL)) ||
	    az_result_failed(az_iot_hub_client_properties_get_properties_version(
		    &hub, &reader, AZ_IOT_HUB_CLIENT_PROPERTIES_MESSAGE_TYPE_GET_RESPONSE, &version))) {
		return 0;
	}
	return number(output, size, (uint32_t)version);
}

size_t theirs_json(char *output, size_t size)
{
	az_json_reader reader;
	az_result result;

	if (az_result_failed(az_json_reader_init(&reader, span(&twin_body), NULL))) {
		return 0;
	}
	do {
		result = az_json_reader_next_token(&reader);
	} while (az_result_succeeded(result));
	return result == AZ_ERROR_JSON_READER_DONE ? number(output, size, 1) : 0;
}

size_t theirs_acknowledge(char *output, size_t size)
{
	az_json_writer writer;

	if (az_result_failed(
		    az_json_writer_init(&writer, az_span_create((uint8_t *)output, (int32_t)size), NULL)) ||
	    az_result_failed(az_json_writer_append_begin_object(&writer)) ||
	    az_result_failed(az_iot_hub_client_properties_writer_begin_response_status(
		    &hub, &writer, AZ_SPAN_FROM_STR("interval"), 200, 7, AZ_SPAN_FROM_STR("ok"))) ||
	    az_result_failed(az_json_writer_append_int32(&writer, 5)) ||
	    az_result_failed(az_iot_hub_client_properties_writer_end_response_status(&hub, &writer)) ||
	    az_result_failed(az_json_writer_append_end_object(&writer))) {
		return 0;
	}
	return (size_t)az_span_size(az_json_writer_get_bytes_used_in_destination(&writer));
}

size_t theirs_dps_user_name(char *output, size_t size)
{
	size_t id = 0, name = 0;

	dps._internal.options.user_agent = encoded_agent();
	if (az_result_failed(az_iot_provisioning_client_get_client_id(&dps, output, size, &id)) ||
	    az_result_failed(az_iot_provisioning_client_get_user_name(&dps, output + id, size - id, &name))) {
		return 0;
	}
	return id + name;
}

size_t theirs_dps_topic(char *output, size_t size)
{
	size_t length = 0;

	if (az_result_failed(
		    az_iot_provisioning_client_register_get_publish_topic(&dps, output, size, &length))) {
		return 0;
	}
	return length;
}

static size_t dps_answer(const struct text *body, char *output, size_t size)
{
	az_iot_provisioning_client_register_response response;
	az_span host;

	if (az_result_failed(az_iot_provisioning_client_parse_received_topic_and_payload(
		    &dps, span(&dps_topic), span(body), &response))) {
		return 0;
	}
	if (response.operation_status == AZ_IOT_PROVISIONING_STATUS_ASSIGNING) {
		return number(output, size, response.retry_after_seconds);
	}
	host = response.registration_state.assigned_hub_hostname;
	memcpy(output, az_span_ptr(host), (size_t)az_span_size(host));
	return (size_t)az_span_size(host);
}

size_t theirs_dps_assigned(char *output, size_t size)
{
	return dps_answer(&assigned_body, output, size);
}

size_t theirs_dps_assigning(char *output, size_t size)
{
	return dps_answer(&assigning_body, output, size);
}
