/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the application asks of a board: the time of day, sensors, movement, location. The library needs none of it. On
 * Zephyr src/ defines these, on Linux rust/host does.
 *
 * Unless a comment says otherwise, a function may be called from any thread and returns 0 or a negative errno.
 */
#ifndef IOTHUB_BOARD_H
#define IOTHUB_BOARD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Milliseconds since 1970 in UTC; -ENODATA while nobody has told the time. It may jump, back as well, where a better
 * source is heard.
 */
int64_t iothub_board_unix_time_ms(void);

/* What can be read, each with its unit. */
#define IOTHUB_SENSOR_TEMPERATURE 0	    /* 0.001 degrees Celsius */
#define IOTHUB_SENSOR_HUMIDITY 1	    /* 0.001 % */
#define IOTHUB_SENSOR_PRESSURE 2	    /* Pa */
#define IOTHUB_SENSOR_GAS 3		    /* ohm */
#define IOTHUB_SENSOR_LIGHT 4		    /* lux */
#define IOTHUB_SENSOR_BATTERY_VOLTAGE 5	    /* mV */
#define IOTHUB_SENSOR_BATTERY_CURRENT 6	    /* mA, negative while it is charged */
#define IOTHUB_SENSOR_BATTERY_TEMPERATURE 7 /* 0.1 degrees Celsius */
#define IOTHUB_SENSOR_BATTERY_CHARGE 8	    /* % */
#define IOTHUB_SENSOR_TIME_TO_EMPTY 9	    /* s */
#define IOTHUB_SENSOR_TIME_TO_FULL 10	    /* s */
/* Of the last position that was found: see iothub_board_locate. */
#define IOTHUB_SENSOR_LATITUDE 11  /* 1e-7 degrees, WGS 84 */
#define IOTHUB_SENSOR_LONGITUDE 12 /* 1e-7 degrees, WGS 84 */
#define IOTHUB_SENSOR_ACCURACY 13  /* 0.1 m */
#define IOTHUB_SENSOR_ALTITUDE 14  /* 0.1 m above the ellipsoid */
#define IOTHUB_SENSOR_SPEED 15	   /* 0.01 m/s */
#define IOTHUB_SENSOR_HEADING 16   /* 0.01 degrees, clockwise from north */
#define IOTHUB_SENSOR_FIX_AGE 17   /* ms since it was there */

/*
 * Reads one. -ENOTSUP where the board has none; anything else than 0 says that there is no value now: -ETIMEDOUT where the
 * sensor hangs, -EBUSY until it answers, -ERANGE where its value is no number. Blocks for CONFIG_IOTHUB_SENSOR_TIMEOUT_MS
 * at most.
 */
int iothub_board_sensor_read(unsigned int sensor, int32_t *value);

/* What a board tells by itself. */
#define IOTHUB_BOARD_TIME 0    /* the time became known, or jumped */
#define IOTHUB_BOARD_MOVING 1  /* movement after stillness */
#define IOTHUB_BOARD_STILL 2   /* stillness after movement */
#define IOTHUB_BOARD_IMPACT 3  /* value: 0.01 g */
#define IOTHUB_BOARD_BUTTON 4  /* value: the button's number, from 1; on its release */
#define IOTHUB_BOARD_LOCATED 5 /* value: 0, or why there is no position */
/* What a back end is to be asked, during a search. */
#define IOTHUB_BOARD_SURVEYED 6 /* cells and access points can be read: IOTHUB_SURVEY_* */
#define IOTHUB_BOARD_AGNSS 7	/* value: a bit (1 << type) for each type of nRF Cloud's A-GNSS that would help */
#define IOTHUB_BOARD_PGPS 8	/* predictions of orbits would help: IOTHUB_PGPS_* */

/* From now on handler is told, on any thread, and in an interrupt too. It must not wait. */
void iothub_board_watch(void (*handler)(unsigned int what, int32_t value));

/*
 * What counts as movement: an acceleration above active (mm/s^2), and as stillness: none above inactive for still_ms.
 * -ENOTSUP where the board cannot tell.
 */
int iothub_board_motion_set(uint32_t active, uint32_t inactive, uint32_t still_ms);

/* By what a position is searched for. */
#define IOTHUB_LOCATE_GNSS 1
#define IOTHUB_LOCATE_CELLS 2 /* cells and access points are found where satellites were not, and left to a back end */
#define IOTHUB_LOCATE_WIFI 4

/*
 * Searches for the position, with satellites for timeout_ms at most. IOTHUB_BOARD_LOCATED ends each search that was begun; then
 * the position can be read as sensors are, until the next one. -EBUSY while one is under way, -ENOTSUP where nothing can tell.
 */
int iothub_board_locate(unsigned int methods, uint32_t timeout_ms);

/* Of a cell: index 0 is the one that the modem is in, from 1 on those around it, which have the first four alone. */
#define IOTHUB_SURVEY_CELL 0   /* of those around it the physical cell id */
#define IOTHUB_SURVEY_EARFCN 1
#define IOTHUB_SURVEY_RSRP 2   /* dBm */
#define IOTHUB_SURVEY_RSRQ 3   /* 0.1 dB */
#define IOTHUB_SURVEY_MCC 4
#define IOTHUB_SURVEY_MNC 5
#define IOTHUB_SURVEY_AREA 6
#define IOTHUB_SURVEY_ADVANCE 7 /* Ts; 65535 where it is not known */
/* Of an access point, index from 0: its MAC address, the first byte highest. */
#define IOTHUB_SURVEY_ACCESS_POINT 8
/* What predictions are wanted, index 0. */
#define IOTHUB_PGPS_COUNT 9
#define IOTHUB_PGPS_INTERVAL 10 /* minutes */
#define IOTHUB_PGPS_DAY 11	/* of GPS time, from 6 January 1980 on */
#define IOTHUB_PGPS_TIME 12	/* seconds of that day */

/* Reads what the search has found or asks for. -ENOENT after the last, -ENODATA where that is not known. */
int iothub_board_search_read(unsigned int what, unsigned int index, int64_t *value);

/* Takes what a back end has answered, in nRF Cloud's formats. -ENOTSUP where nothing takes it. */
#define IOTHUB_ASSIST_AGNSS 0
#define IOTHUB_ASSIST_PGPS 1
int iothub_board_assist(unsigned int kind, const void *data, size_t len);

/* The board's name as the build knows it: its length. -ENOSPC where there is too little room. */
int iothub_board_name(char *buf, size_t len);

/* Why the device has started, this time alone: bits as of Zephyr's hwinfo.h, or -ENOTSUP. */
int iothub_board_reset_cause(uint32_t *cause);

/*
 * The fault that ended the run before this one (CONFIG_IOTHUB_HEALTH); it stays until the next start. -ENOENT where there was
 * none, -ENOTSUP where nobody has looked.
 */
#define IOTHUB_BOARD_FAULT_REASON 0 /* IOTHUB_BOARD_FAULT_WATCHDOG, else K_ERR_* of Zephyr's fatal.h */
#define IOTHUB_BOARD_FAULT_PC 1	    /* 0 where the architecture does not tell */
#define IOTHUB_BOARD_FAULT_LR 2
int iothub_board_last_fault(unsigned int what, uint32_t *value);

/* A thread made no progress. */
#define IOTHUB_BOARD_FAULT_WATCHDOG 256

/* The name of its thread: the length. */
int iothub_board_last_fault_thread(char *buf, size_t len);

/* Threads by number from 0: the length of the name, cut where there is little room, the bytes of its stack, and those that it never used. -ENOENT after the last. */
int iothub_board_stack(unsigned int index, char *name, size_t len, uint32_t *size, uint32_t *unused);

/* Bytes of the system heap, and the most that was in use. */
int iothub_board_heap(uint32_t *size, uint32_t *most);

/* The radio since the start: -ENOTSUP where nothing tells. */
#define IOTHUB_BOARD_RADIO_SECONDS 0	 /* connected to the cell */
#define IOTHUB_BOARD_RADIO_CONNECTIONS 1 /* how often it has connected */
#define IOTHUB_BOARD_RADIO_IS_ON 2	 /* whether it is connected now */
int iothub_board_radio(unsigned int what, uint32_t *value);

/* The core dump that is stored: its bytes; -ENOENT where there is none. */
int iothub_board_coredump_size(void);
/* Up to len bytes of it: how many. */
int iothub_board_coredump_read(uint32_t at, void *buf, size_t len);
int iothub_board_coredump_erase(void);

/* A fault on purpose, for tests (CONFIG_IOTHUB_FAULT_COMMAND). Returns only where it cannot: -ENOTSUP, -EINVAL. */
#define IOTHUB_BOARD_FAULT_HANG 0   /* the calling thread makes no more progress */
#define IOTHUB_BOARD_FAULT_PANIC 1  /* k_panic() */
#define IOTHUB_BOARD_FAULT_MEMORY 2 /* an access to memory that is not there */
int iothub_board_fault(unsigned int kind);

/* Sounds for so long, beside other work; -ENOTSUP where there is nothing to sound. */
int iothub_board_buzz(uint32_t duration_ms);

#ifdef __cplusplus
}
#endif

#endif /* IOTHUB_BOARD_H */
