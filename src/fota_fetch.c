/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Downloads by the SDK's library: download_client up to NCS 3.1, downloader from 3.0 on. Where both are there, the one
 * that is switched on; the newer one first.
 */
#include <errno.h>
#include <stdbool.h>
#include <zephyr/kernel.h>

#include "fota_fetch.h"

static bool started;
static int result;

#if defined(CONFIG_DOWNLOADER)
#include <net/downloader.h>

static struct downloader downloader;
static char buffer[CONFIG_IOTHUB_FOTA_FRAGMENT_MAX + 1024];

static int on_event(const struct downloader_evt *event)
{
	size_t size = 0;

	switch (event->id) {
	case DOWNLOADER_EVT_FRAGMENT:
		(void)downloader_file_size_get(&downloader, &size);
		result = fota_on_fragment(event->fragment.buf, event->fragment.len, size);
		return result;
	case DOWNLOADER_EVT_ERROR:
		/* The first reason counts: stopping is an error, too. */
		result = result != 0 ? result : event->error;
		return -1;
	case DOWNLOADER_EVT_DONE:
		fota_on_end(0);
		return 0;
	case DOWNLOADER_EVT_STOPPED:
		fota_on_end(result != 0 ? result : -ECANCELED);
		return 0;
	default:
		return 0;
	}
}

int fota_fetch_start(const struct fota_fetch *fetch)
{
	struct downloader_host_cfg host = {
		.sec_tag_list = fetch->sec_tags,
		.sec_tag_count = fetch->sec_tag_count,
		.range_override = fetch->fragment,
	};

	if (!started) {
		static struct downloader_cfg config = {
			.callback = on_event,
			.buf = buffer,
			.buf_size = sizeof(buffer),
		};
		int err = downloader_init(&downloader, &config);

		if (err != 0) {
			return err;
		}
		started = true;
	}
	result = 0;
	return downloader_get_with_host_and_file(&downloader, &host, fetch->host, fetch->path,
						 fetch->from);
}

void fota_fetch_stop(void)
{
	(void)downloader_cancel(&downloader);
}

#else
#include <net/download_client.h>

static struct download_client client;
static bool complete;

static int on_event(const struct download_client_evt *event)
{
	size_t size = 0;

	switch (event->id) {
	case DOWNLOAD_CLIENT_EVT_FRAGMENT:
		(void)download_client_file_size_get(&client, &size);
		result = fota_on_fragment(event->fragment.buf, event->fragment.len, size);
		if (result != 0) {
			(void)download_client_disconnect(&client);
		}
		return result;
	case DOWNLOAD_CLIENT_EVT_ERROR:
		result = result != 0 ? result : event->error;
		return -1;
	case DOWNLOAD_CLIENT_EVT_DONE:
		complete = true;
		(void)download_client_disconnect(&client);
		return 0;
	case DOWNLOAD_CLIENT_EVT_CLOSED:
		if (complete) {
			fota_on_end(0);
		} else {
			fota_on_end(result != 0 ? result : -ECANCELED);
		}
		return 0;
	default:
		return 0;
	}
}

int fota_fetch_start(const struct fota_fetch *fetch)
{
	struct download_client_cfg config = {
		.sec_tag_list = fetch->sec_tags,
		.sec_tag_count = fetch->sec_tag_count,
		.frag_size_override = fetch->fragment,
		.set_tls_hostname = fetch->sec_tag_count > 0,
	};

	if (!started) {
		int err = download_client_init(&client, on_event);

		if (err != 0) {
			return err;
		}
		started = true;
	}
	complete = false;
	result = 0;
	return download_client_get(&client, fetch->host, &config, fetch->path, fetch->from);
}

void fota_fetch_stop(void)
{
	(void)download_client_disconnect(&client);
}
#endif
