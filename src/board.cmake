# SPDX-License-Identifier: Apache-2.0
# What the application asks of a board: src/include/iothub_board.h.
set(folder ${CMAKE_CURRENT_LIST_DIR})
target_sources(app PRIVATE ${folder}/board_events.c ${folder}/diagnostics.c)
if(CONFIG_IOTHUB_SIM_WORLD)
  target_sources(app PRIVATE ${folder}/sim_board.c)
else()
  target_sources(app PRIVATE ${folder}/clock.c ${folder}/location.c ${folder}/motion.c ${folder}/sensors.c)
endif()
