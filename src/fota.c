/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_platform.h on Zephyr: firmware updates, by the SDK's DFU target for MCUboot and its download library. */
#include <errno.h>
#include <string.h>
#include <zephyr/dfu/mcuboot.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/atomic.h>
#include <zephyr/sys/util.h>

#include <dfu/dfu_target.h>
#include <dfu/dfu_target_mcuboot.h>
#include <iothub_platform.h>

#include "fota_fetch.h"
#include "partition.h"

#if defined(CONFIG_PARTITION_MANAGER_ENABLED)
#include <pm_config.h>
#define SLOT PM_MCUBOOT_SECONDARY_ID
#else
#define SLOT PARTITION_ID(slot1_partition)
#endif

#define HOST_LEN 253
#define PATH_LEN 512
#define SEC_TAGS_MAX 4
/* Room that MCUboot needs behind the image, for its trailer. */
#define TRAILER 0x1000
#define FLASH_BUFFER 512

/* What is in the slot, in one setting: written before its first byte and after its last. */
#define KEY "iothub/fota/slot"

struct slot {
	uint32_t identity;
	/* Of an image that is complete, else 0. */
	uint32_t size;
};

static struct {
	char host[sizeof("https://[]:65535") + HOST_LEN];
	char path[PATH_LEN + 1];
	int sec_tags[SEC_TAGS_MAX];
	uint8_t sha256[32];
	bool has_sha256;
	/* What the job says; 0 where it does not. */
	uint32_t size;
	uint32_t offset;
	uint32_t slot_size;
	uint32_t cause;
	struct slot slot;
	iothub_fota_callback_t tell;
} job;

static K_MUTEX_DEFINE(ending);
static atomic_t busy;
static atomic_t cancelled;
static uint8_t flash_buffer[FLASH_BUFFER] __aligned(4);

static void on_dfu_target(enum dfu_target_evt_id event)
{
	if (event == DFU_TARGET_EVT_ERASE_DONE) {
		job.tell(IOTHUB_FOTA_ERASE_DONE, 0, 0);
	} else {
		job.tell(IOTHUB_FOTA_ERASE_PENDING, 0, 0);
	}
}

static int open_target(void)
{
	int err = dfu_target_mcuboot_set_buf(flash_buffer, sizeof(flash_buffer));

	if (err != 0) {
		return err;
	}
	return dfu_target_init(DFU_TARGET_IMAGE_TYPE_MCUBOOT, 0, MAX(job.size, 1), on_dfu_target);
}

/* Leaves in job.offset how much of this very image is there. */
static int open_slot(uint32_t identity)
{
	struct slot stored = {0};
	size_t len = sizeof(stored);
	size_t offset = 0;
	const struct flash_area *area;
	int err = flash_area_open(SLOT, &area);

	if (err != 0) {
		return err;
	}
	job.slot_size = area->fa_size - TRAILER;
	flash_area_close(area);

	err = open_target();
	if (err != 0) {
		return err;
	}
	if (iothub_platform_settings_get(KEY, &stored, &len) != 0 || len != sizeof(stored) ||
	    stored.identity != identity || stored.size > job.slot_size) {
		err = dfu_target_reset();
		if (err == 0) {
			err = open_target();
		}
		stored = (struct slot){.identity = identity};
		if (err == 0) {
			err = iothub_platform_settings_set(KEY, &stored, sizeof(stored));
		}
		if (err != 0) {
			return err;
		}
	}
	job.slot = stored;
	if (stored.size != 0) {
		job.offset = stored.size;
		return 0;
	}
	err = dfu_target_offset_get(&offset);
	job.offset = offset;
	return err;
}

static void forget_slot(void)
{
	(void)dfu_target_reset();
	(void)iothub_platform_settings_set(KEY, NULL, 0);
}

static void tell_version(uint8_t major, uint8_t minor, uint16_t revision, uint32_t build)
{
	job.tell(IOTHUB_FOTA_VERSION, (uint32_t)major << 24 | (uint32_t)minor << 16 | revision, build);
}

/* The first fragment has the header, which is not in flash yet. */
static void tell_version_of(const uint8_t *image, size_t len)
{
	const uint8_t *version = image + 20;

	if (len >= 28) {
		tell_version(version[0], version[1], (uint16_t)(version[2] | version[3] << 8),
			     version[4] | (uint32_t)version[5] << 8 | (uint32_t)version[6] << 16 |
				     (uint32_t)version[7] << 24);
	}
}

/* MCUboot checks hash and signature once more, at boot. */
static uint32_t verify(void)
{
	struct mcuboot_img_header header;
	const struct mcuboot_img_sem_ver *version = &header.h.v1.sem_ver;

	if (job.size != 0 && job.size != job.offset) {
		return IOTHUB_FOTA_CAUSE_SIZE;
	}
#if defined(CONFIG_FLASH_AREA_CHECK_INTEGRITY)
	if (job.has_sha256) {
		const struct flash_area *area;
		struct flash_area_check check = {
			.match = job.sha256,
			.clen = job.offset,
			.rbuf = flash_buffer,
			.rblen = sizeof(flash_buffer),
		};
		int err = flash_area_open(SLOT, &area);

		if (err != 0) {
			return IOTHUB_FOTA_CAUSE_STORAGE;
		}
		err = flash_area_check_int_sha256(area, &check);
		flash_area_close(area);
		if (err != 0) {
			return IOTHUB_FOTA_CAUSE_HASH;
		}
	}
#endif
	if (boot_read_bank_header(SLOT, &header, sizeof(header)) != 0) {
		return IOTHUB_FOTA_CAUSE_IMAGE;
	}
	/* Once more: the first fragment may have come before a restart, or have been too short. */
	tell_version(version->major, version->minor, version->revision, version->build_num);
	return 0;
}

/* A start that answers to the end waits until the slot is free: it is never too early, and no end comes after it. */
static void end(uint32_t event, uint32_t cause)
{
	(void)k_mutex_lock(&ending, K_FOREVER);
	job.tell(event, cause, 0);
	atomic_set(&busy, 0);
	(void)k_mutex_unlock(&ending);
}

static bool take_slot(void)
{
	bool taken;

	(void)k_mutex_lock(&ending, K_FOREVER);
	taken = atomic_cas(&busy, 0, 1);
	(void)k_mutex_unlock(&ending);
	return taken;
}

/* All is there: it is what it was to be, or the slot is as good as empty. */
static void finish(uint32_t cause)
{
	if (cause == 0) {
		cause = verify();
	}
	if (cause == 0) {
		end(IOTHUB_FOTA_DONE, 0);
		return;
	}
	forget_slot();
	end(IOTHUB_FOTA_FAILED, cause);
}

static uint32_t cause_of(int error)
{
	switch (error) {
	case -ECONNREFUSED:
	case -ECONNABORTED:
	case -EHOSTUNREACH:
	case -EHOSTDOWN:
	case -ENETDOWN:
	case -EAFNOSUPPORT:
		return IOTHUB_FOTA_CAUSE_CONNECT;
	case -EBADMSG:
	case -ERANGE:
		/* The library does not hand on the status. */
		return IOTHUB_FOTA_CAUSE_HTTP;
	default:
		return IOTHUB_FOTA_CAUSE_TRANSFER;
	}
}

int fota_on_fragment(const void *bytes, size_t len, size_t file_size)
{
	int err;

	if (atomic_get(&cancelled)) {
		return -ECANCELED;
	}
	if (job.size != 0 && file_size != 0 && file_size != job.size) {
		job.cause = IOTHUB_FOTA_CAUSE_SIZE;
		return -EBADMSG;
	}
	if (file_size > job.slot_size || job.offset + len > job.slot_size) {
		job.cause = IOTHUB_FOTA_CAUSE_TOO_LARGE;
		return -EFBIG;
	}
	if (job.offset == 0 && dfu_target_img_type(bytes, len) != DFU_TARGET_IMAGE_TYPE_MCUBOOT) {
		job.cause = IOTHUB_FOTA_CAUSE_IMAGE;
		return -EBADMSG;
	}
	err = dfu_target_write(bytes, len);
	if (err != 0) {
		job.cause = err == -EINVAL ? IOTHUB_FOTA_CAUSE_IMAGE : IOTHUB_FOTA_CAUSE_STORAGE;
		return err;
	}
	if (job.offset == 0) {
		tell_version_of(bytes, len);
	}
	job.offset += len;
	job.tell(IOTHUB_FOTA_PROGRESS, job.offset, file_size);
	return 0;
}

void fota_on_end(int error)
{
	if (error == 0) {
		if (dfu_target_done(true) != 0) {
			finish(IOTHUB_FOTA_CAUSE_STORAGE);
			return;
		}
		job.slot.size = job.offset;
		/* After a power cut from here on it is verified again, without it fetched again. */
		(void)iothub_platform_settings_set(KEY, &job.slot, sizeof(job.slot));
		finish(0);
		return;
	}
	(void)dfu_target_done(false);
	if (atomic_get(&cancelled)) {
		end(IOTHUB_FOTA_STOPPED, 0);
	} else {
		end(IOTHUB_FOTA_FAILED, job.cause != 0 ? job.cause : cause_of(error));
	}
}

static int read_source(const struct iothub_fota_source *source)
{
	uint16_t port = source->port != 0 ? source->port : (source->tls ? 443 : 80);
	bool is_ipv6 = strchr(source->host, ':') != NULL;
	size_t host_len = snprintk(job.host, sizeof(job.host), "http%s://%s%s%s:%u",
				   source->tls ? "s" : "", is_ipv6 ? "[" : "", source->host,
				   is_ipv6 ? "]" : "", port);

	if (host_len >= sizeof(job.host) || source->sec_tag_count > SEC_TAGS_MAX ||
	    (size_t)snprintk(job.path, sizeof(job.path), "%s", source->path) > PATH_LEN) {
		return -E2BIG;
	}
	job.size = source->size;
	job.cause = 0;
	job.has_sha256 = source->sha256 != NULL;
	if (job.has_sha256) {
		memcpy(job.sha256, source->sha256, sizeof(job.sha256));
	}
	return 0;
}

static size_t read_sec_tags(const struct iothub_fota_source *source)
{
	size_t count = 0;

	if (!source->tls) {
		return 0;
	}
	for (; count < source->sec_tag_count; count++) {
		job.sec_tags[count] = (int)source->sec_tags[count];
	}
	if (count == 0 && CONFIG_IOTHUB_FOTA_SEC_TAG != -1) {
		job.sec_tags[count++] = CONFIG_IOTHUB_FOTA_SEC_TAG;
	}
	if (count == 0) {
		job.sec_tags[count++] = CONFIG_IOTHUB_SEC_TAG;
		if (CONFIG_IOTHUB_SECONDARY_SEC_TAG != -1) {
			job.sec_tags[count++] = CONFIG_IOTHUB_SECONDARY_SEC_TAG;
		}
	}
	return count;
}

int iothub_platform_fota_start(const struct iothub_fota_source *source,
			       iothub_fota_callback_t callback)
{
	struct fota_fetch fetch;
	int err;

	if (!take_slot()) {
		return -EBUSY;
	}
	atomic_set(&cancelled, 0);
	job.tell = callback;
	/* The other slot is the way back. */
	err = boot_is_img_confirmed() ? read_source(source) : -EPERM;
	if (err == 0) {
		err = open_slot(source->identity);
	}
	if (err == -EFBIG) {
		end(IOTHUB_FOTA_FAILED, IOTHUB_FOTA_CAUSE_TOO_LARGE);
		return 0;
	}
	if (err != 0) {
		atomic_set(&busy, 0);
		return err;
	}
	if (job.slot.size != 0) {
		finish(0);
		return 0;
	}
	fetch = (struct fota_fetch){
		.host = job.host,
		.path = job.path,
		.sec_tags = source->tls ? job.sec_tags : NULL,
		.sec_tag_count = read_sec_tags(source),
		.fragment = source->fragment == 0
				    ? CONFIG_IOTHUB_FOTA_FRAGMENT_MAX
				    : MIN(source->fragment, CONFIG_IOTHUB_FOTA_FRAGMENT_MAX),
		.from = job.offset,
	};
	err = fota_fetch_start(&fetch);
	if (err != 0) {
		(void)dfu_target_done(false);
		atomic_set(&busy, 0);
	}
	return err;
}

int iothub_platform_fota_cancel(void)
{
	if (!atomic_get(&busy)) {
		return -ENOENT;
	}
	atomic_set(&cancelled, 1);
	fota_fetch_stop();
	return 0;
}

int iothub_platform_fota_apply(void)
{
	return boot_request_upgrade(BOOT_UPGRADE_TEST);
}

int iothub_platform_fota_confirm(void)
{
	return boot_is_img_confirmed() ? 0 : boot_write_img_confirmed();
}

/* As the header has it, so that the versions of both slots are written alike. */
static void write_version(struct iothub_fota_image *image, const struct mcuboot_img_sem_ver *version)
{
	int len = snprintk(image->version, sizeof(image->version), "%u.%u.%u", version->major,
			   version->minor, version->revision);

	if (version->build_num != 0) {
		(void)snprintk(image->version + len, sizeof(image->version) - len, "+%u",
			       version->build_num);
	}
}

/*
 * On a board the running image's header lies on the secure side: what it was signed with is known here without it. In
 * a simulation the program is always the same, and the slot says which one it stands for.
 */
static int running_version(struct iothub_fota_image *image)
{
#if defined(CONFIG_IOTHUB_SIM_MODEM)
	struct mcuboot_img_header header;

	if (boot_read_bank_header(PARTITION_ID(slot0_partition), &header, sizeof(header)) != 0) {
		return -ENOENT;
	}
	write_version(image, &header.h.v1.sem_ver);
	return 0;
#elif defined(CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION)
	const char *signed_as = CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION;
	size_t len = strlen(signed_as);

	/* imgtool writes no build number as +0. */
	if (len > 2 && strcmp(signed_as + len - 2, "+0") == 0) {
		len -= 2;
	}
	if (len >= sizeof(image->version)) {
		return -ENOSPC;
	}
	memcpy(image->version, signed_as, len);
	image->version[len] = '\0';
	return 0;
#else
	ARG_UNUSED(image);
	return -ENOTSUP;
#endif
}

int iothub_platform_fota_image(unsigned int slot, struct iothub_fota_image *image)
{
	struct mcuboot_img_header header;

	*image = (struct iothub_fota_image){0};
	if (slot == IOTHUB_FOTA_SLOT_RUNNING) {
		image->confirmed = boot_is_img_confirmed();
		return running_version(image);
	}
	if (boot_read_bank_header(SLOT, &header, sizeof(header)) != 0) {
		return -ENOENT;
	}
	write_version(image, &header.h.v1.sem_ver);
	return 0;
}
