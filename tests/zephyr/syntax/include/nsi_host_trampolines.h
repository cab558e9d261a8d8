/* SPDX-License-Identifier: Apache-2.0 */
int nsi_host_open(const char *path, int flags);
long nsi_host_read(int file, void *buffer, unsigned long size);
int nsi_host_close(int file);
