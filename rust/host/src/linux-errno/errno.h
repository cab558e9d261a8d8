/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers of errno that cross the seam, as Linux has them and the committed bindings: what is compiled here for another
 * system sees these in place of its own.
 */
#ifndef IOTHUB_LINUX_ERRNO_H
#define IOTHUB_LINUX_ERRNO_H

#define ENOENT 2
#define ENOTSUP 95
#define EOPNOTSUPP 95
#define ETIMEDOUT 110
#define ECONNREFUSED 111
#define EALREADY 114

#endif
