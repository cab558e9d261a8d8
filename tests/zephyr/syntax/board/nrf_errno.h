/* SPDX-License-Identifier: Apache-2.0 */
#define NRF_E2BIG 7
#define NRF_EBADMSG 77
