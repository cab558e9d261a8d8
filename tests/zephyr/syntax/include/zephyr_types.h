/* SPDX-License-Identifier: Apache-2.0 */
/* As Zephyr has it before everything else, so that a format fits the same types on every machine. */
#undef __INT32_TYPE__
#undef __UINT32_TYPE__
#define __INT32_TYPE__ int
#define __UINT32_TYPE__ unsigned int
