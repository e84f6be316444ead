// Thin wrappers of the Linux calls that Weir's relay makes. Every function returns a negative errno on failure.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

// An address and port: IPv4 in the low 32 bits of `low`, host byte order throughout.
typedef struct {
  uint64_t high, low;
  uint16_t port;
  uint8_t is_ipv6;
} weir_endpoint;

// The layout of epoll_event, which is packed on x86-64 only.
#if defined(__x86_64__)
#define WEIR_PACKED __attribute__((packed))
#else
#define WEIR_PACKED
#endif
typedef struct {
  uint32_t mask;
  uint64_t token;
} WEIR_PACKED weir_event;

// A listening socket. `dual_stack` lets an IPv6 wildcard take IPv4 connections too.
int weir_listen(weir_endpoint at, int dual_stack, int reuse_port, int transparent, int backlog);
int weir_local_endpoint(int fd, weir_endpoint *out);
int weir_accept(int listener, weir_endpoint *peer);
// Where an intercepted connection was going before REDIRECT; -ENOENT when it was not intercepted.
int weir_original_destination(int fd, int peer_is_ipv6, weir_endpoint *out);
// Begins to connect; the socket becomes writable when that has succeeded or failed.
int weir_connect(weir_endpoint to);
int weir_socket_error(int fd);
int weir_configure(int fd, int keepalive_idle, int keepalive_interval, int keepalive_count, int user_timeout_ms);
// Closing the socket will reset the connection.
int weir_reset_on_close(int fd);
// Bytes written that the peer has not acknowledged.
int weir_unacknowledged(int fd);
// Bytes that arrived and were not read.
int weir_unread(int fd);
int weir_is_local_address(weir_endpoint e);
long weir_read(int fd, void *to, size_t n);
long weir_write(int fd, const void *from, size_t n);
int weir_shutdown_write(int fd);
int weir_close(int fd);
uint64_t weir_now(void);
int weir_epoll_create(void);
int weir_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token);
int weir_epoll_wait(int epoll, weir_event *events, int count, int timeout_ms);
int weir_eventfd(void);
void weir_eventfd_signal(int fd);
void weir_eventfd_clear(int fd);
// Raises the limit of open files to its hard limit and says what it is now.
uint64_t weir_raise_file_limit(void);
// The lowest descriptor that is free; `any` is one that is open.
int weir_lowest_free(int any);
int weir_affinity_count(void);
// Runs `body` on a detached thread.
int weir_start_thread(void *(*body)(void *), void *context);
// Names the calling thread; at most 15 bytes count.
void weir_name_thread(const char *name);

// Local sockets that carry descriptors, one message at a time; their names are of the abstract kind, which a network
// namespace has for itself.
#define WEIR_MAX_DESCRIPTORS 64
int weir_local_listen(const char *name);
int weir_local_connect(const char *name);
int weir_local_accept(int listener);
// Who was at the other end when the connection was made.
int weir_peer_user(int fd, uint32_t *out);
uint32_t weir_effective_user(void);
// Waits for `events` of poll(2) on `fd` (1), for `stop` to become readable (2), or for the time to pass (0); either
// descriptor may be -1.
int weir_wait(int fd, int events, int stop, int timeout_ms);
long weir_send_descriptors(int fd, const void *bytes, size_t n, const int *fds, int count);
// Receives one message; `fds` has room for WEIR_MAX_DESCRIPTORS. One that is larger than the room for it is -EMSGSIZE,
// and its descriptors are closed.
long weir_receive_descriptors(int fd, void *bytes, size_t n, int *fds, int *count);
int weir_duplicate(int fd);
int weir_is_tcp_listener(int fd);
// Sets what a descriptor from another process may lack.
int weir_adopt_listener(int fd, int transparent);

// A stream for a C library to read from, whose bytes come from `read` (0 at the end, -1 with errno on failure). Its end
// does nothing to `context`.
FILE *weir_open_reader(ssize_t (*read)(void *context, char *to, size_t n), void *context);
// SIGINT and SIGTERM make the returned descriptor readable, once; the next of them ends the process as if nothing had
// been set. One that is ignored stays so (nohup, a background job of a script).
int weir_stop_on_signals(void);
