/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IOTHUB_CREDENTIALS_H
#define IOTHUB_CREDENTIALS_H

/* Writes the credentials that were compiled in, as far as the modem does not hold them; LTE must be off. */
int iothub_credentials_write(void);

#endif /* IOTHUB_CREDENTIALS_H */
