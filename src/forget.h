/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IOTHUB_FORGET_H
#define IOTHUB_FORGET_H

/* Deletes what DPS assigned. 0, or the last error. */
int iothub_forget_assignment(void);

/* Deletes every setting that overrides the build, and what DPS assigned. */
int iothub_forget_settings(void);

/* Deletes CA, certificate and key under the security tags; the modem stays offline. 0, or the last error. */
int iothub_forget_credentials(void);

#endif /* IOTHUB_FORGET_H */
