/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_NET_SOCKET_H
#define SYNTAX_ZEPHYR_NET_SOCKET_H

#include <stddef.h>
#include <stdint.h>

/* Zephyr 4.4 without its compatibility mode, and the names before. */
#if defined(SYNTAX_NET_NAMES)
#define NET_AF_INET 1
#define NET_AF_INET6 2
#define NET_IPPROTO_TCP 6
#define NET_SOCK_STREAM 1
#define ZSOCK_TCP_NODELAY 1
#define ZSOCK_SOL_SOCKET 1
/* sdk-zephyr's, since NCS 2.6. */
#define SO_RAI 61
#define RAI_NO_DATA 1
#define SOCKADDR(suffix) net_sockaddr##suffix
#else
#define SOCKADDR(suffix) sockaddr##suffix
#define AF_INET 1
#define AF_INET6 2
#define IPPROTO_TCP 6
#define SOCK_STREAM 1
#define TCP_NODELAY 1
#define SOL_SOCKET 1
/* sdk-zephyr's, before NCS 2.6. */
#define SO_RAI_NO_DATA 50
#endif

#define ZSOCK_SHUT_RDWR 2

typedef size_t socklen_t;
typedef uint16_t sa_family_t;

struct in_addr {
	uint8_t bytes[4];
};

struct in6_addr {
	uint8_t bytes[16];
};

struct SOCKADDR() {
	sa_family_t sa_family;
};

struct SOCKADDR(_in) {
	sa_family_t sin_family;
	uint16_t sin_port;
	struct in_addr sin_addr;
};

struct SOCKADDR(_in6) {
	sa_family_t sin6_family;
	uint16_t sin6_port;
	struct in6_addr sin6_addr;
};

struct zsock_addrinfo {
	struct zsock_addrinfo *ai_next;
	int ai_family;
	int ai_socktype;
	struct SOCKADDR() *ai_addr;
};

int zsock_getaddrinfo(const char *host, const char *service, const struct zsock_addrinfo *hints,
		      struct zsock_addrinfo **found);
void zsock_freeaddrinfo(struct zsock_addrinfo *found);

int zsock_shutdown(int socket, int how);
int zsock_setsockopt(int socket, int level, int name, const void *value, socklen_t length);

int zsock_inet_pton(int family, const char *src, void *dst);

#endif
