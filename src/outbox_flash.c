/* SPDX-License-Identifier: Apache-2.0 */
/* The flash of the outbox: a partition of its own, iothub_outbox, by devicetree or by Partition Manager. */
#include <errno.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/kernel.h>

#include <iothub_platform.h>

#include "partition.h"

#if defined(CONFIG_PARTITION_MANAGER_ENABLED)
#include <pm_config.h>
#if !defined(PM_IOTHUB_OUTBOX_ID)
#error "The Partition Manager has no partition iothub_outbox: pm_static.yml is to have one, see docs/reliability.md"
#endif
#define PARTITION PM_IOTHUB_OUTBOX_ID
#if defined(PM_MCUBOOT_PRIMARY_ADDRESS) && !defined(CONFIG_IOTHUB_OUTBOX_FLASH_EXTERNAL)
/* MCUboot moves whatever lies in its slots. */
BUILD_ASSERT(PM_IOTHUB_OUTBOX_ADDRESS >= PM_MCUBOOT_PRIMARY_END_ADDRESS ||
		     PM_IOTHUB_OUTBOX_END_ADDRESS <= PM_MCUBOOT_PRIMARY_ADDRESS,
	     "iothub_outbox lies in the slot of an image: pm_static.yml is to name a place for it, see docs/reliability.md");
#endif
#else
#define PARTITION PARTITION_ID(iothub_outbox)
#endif

static K_MUTEX_DEFINE(flash_lock);
static const struct flash_area *area;

void iothub_platform_flash_lock(void)
{
	(void)k_mutex_lock(&flash_lock, K_FOREVER);
}

void iothub_platform_flash_unlock(void)
{
	(void)k_mutex_unlock(&flash_lock);
}

int iothub_platform_flash_open(struct iothub_flash_geometry *geometry)
{
	struct flash_pages_info first, last;
	const struct device *device;

	if (area == NULL && flash_area_open(PARTITION, &area) != 0) {
		area = NULL;
		return -ENOENT;
	}
	device = flash_area_get_device(area);
	if (flash_get_page_info_by_offs(device, area->fa_off, &first) != 0 ||
	    flash_get_page_info_by_offs(device, area->fa_off + area->fa_size - 1, &last) != 0) {
		return -EIO;
	}
	/* One size from the first page to the last; the partition has whole pages. */
	if (first.size != last.size || first.start_offset != area->fa_off ||
	    area->fa_size % first.size != 0 ||
	    last.index - first.index + 1 != area->fa_size / first.size) {
		return -ENOENT;
	}
	geometry->sector_size = first.size;
	geometry->sectors = area->fa_size / first.size;
	geometry->write_size = flash_area_align(area);
	return 0;
}

int iothub_platform_flash_read(uint32_t at, void *buf, size_t len)
{
	return area == NULL ? -ENOENT : flash_area_read(area, at, buf, len);
}

int iothub_platform_flash_write(uint32_t at, const void *buf, size_t len)
{
	return area == NULL ? -ENOENT : flash_area_write(area, at, buf, len);
}

int iothub_platform_flash_erase(uint32_t at, size_t len)
{
	return area == NULL ? -ENOENT : flash_area_erase(area, at, len);
}

/* Flash keeps what was written. */
int iothub_platform_flash_sync(void)
{
	return area == NULL ? -ENOENT : 0;
}
