/* SPDX-License-Identifier: Apache-2.0 */
/* The state of the world around the simulation, as the file of --world=FILE has it. */
#ifndef IOTHUB_SIM_WORLD_H
#define IOTHUB_SIM_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include <iothub_board.h>

/*
 * Words of the file, in this order, with blanks or ends of lines between them. In place of a number missing, broken, hangs or
 * nan says why there is none. Whoever writes it (rust/demo/src/world/told.rs) puts a whole new file in its place.
 */
enum sim_world_word {
	SIM_WORLD_SINCE,   /* ms since its beginning */
	SIM_WORLD_TIME,	   /* ms since 1970; missing while nobody tells the time */
	SIM_WORLD_COVERED, /* 1: there is a network */
	SIM_WORLD_SKY,	   /* 1: satellites are seen */
	SIM_WORLD_MOVES,   /* 1: the device moves */
	SIM_WORLD_SENSORS, /* IOTHUB_SENSOR_* up to the heading; the position is the true one */
	SIM_WORLD_NETWORK = SIM_WORLD_SENSORS + IOTHUB_SENSOR_FIX_AGE, /* country and network code of the cell */
	SIM_WORLD_AREA,
	SIM_WORLD_CELL,
	SIM_WORLD_BAND,
	SIM_WORLD_EARFCN,
	SIM_WORLD_RSRP,	  /* dBm */
	SIM_WORLD_SNR,	  /* dB */
	SIM_WORLD_ENERGY, /* 5 (costly) to 9 (cheap) */
	SIM_WORLD_WORDS
};

struct sim_word {
	int64_t value;
	/* 0, or why there is no value, as iothub_board.h has it. */
	int err;
};

/* The state of now. -ENOTSUP without --world; anything else than 0 says that it cannot be read. */
int sim_world_read(struct sim_word words[SIM_WORLD_WORDS]);

/* The modem's answer to a command that asks for the cell or the battery; -ENOTSUP for others and without --world. */
int sim_world_answer(const char *command, char *line, size_t len);

#endif /* IOTHUB_SIM_WORLD_H */
