# SPDX-License-Identifier: Apache-2.0
# The Thingy:91's name before NCS 2.7 and since; before, it needs no other.
if(EXISTS ${ZEPHYR_BASE}/scripts/schemas/board-schema.yml)
  set(thingy91_nrf9160_ns_BOARD_ALIAS thingy91/nrf9160/ns)
endif()
