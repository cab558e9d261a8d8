/* SPDX-License-Identifier: Apache-2.0 */
/* What the shell's commands call: rust/firmware/src/shell.rs defines it. */
#ifndef IOTHUB_SHELL_H
#define IOTHUB_SHELL_H

#include <stddef.h>

/* Each returns 0, or writes why not to text, with a 0 at its end, and returns -EIO. */
int iothub_shell_connect(char *text, size_t len);
int iothub_shell_disconnect(char *text, size_t len);
int iothub_shell_twin(char *text, size_t len);
int iothub_shell_send(const char *payload, size_t payload_len, char *text, size_t len);
/* -EIO where the value of the setting would not count at the next start. */
int iothub_shell_check(const char *key, const char *value, size_t value_len, char *text, size_t len);

/* Each writes lines to text, with a 0 at its end; what does not fit is cut. */
void iothub_shell_status(char *text, size_t len);
void iothub_shell_counters(char *text, size_t len);
void iothub_shell_outbox(char *text, size_t len);

#endif /* IOTHUB_SHELL_H */
