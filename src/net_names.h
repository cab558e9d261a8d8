/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zephyr 4.4 has put NET_, net_ or ZSOCK_ before the names of its sockets; those without exist there in a compatibility
 * mode alone. src/ has the new ones, and this header gives them to Zephyrs before.
 */
#ifndef IOTHUB_NET_NAMES_H
#define IOTHUB_NET_NAMES_H

#include <zephyr/net/socket.h>

#if !defined(NET_AF_INET)
#define NET_AF_INET AF_INET
#define NET_AF_INET6 AF_INET6
#define NET_SOCK_STREAM SOCK_STREAM
#define NET_IPPROTO_TCP IPPROTO_TCP
#define ZSOCK_TCP_NODELAY TCP_NODELAY
#define ZSOCK_SOL_SOCKET SOL_SOCKET
#define net_sockaddr sockaddr
#define net_sockaddr_in sockaddr_in
#define net_sockaddr_in6 sockaddr_in6
#endif

#endif /* IOTHUB_NET_NAMES_H */
