# SPDX-License-Identifier: Apache-2.0
# The Thingy:91's name before NCS 2.7 and since.
set(thingy91_nrf9160_ns_BOARD_ALIAS thingy91/nrf9160/ns)
