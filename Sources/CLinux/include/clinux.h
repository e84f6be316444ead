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
// About how many bytes a write takes at once: LONG_MAX where the system does not say, and -1 if they are fewer than
// `least` and the event queue will tell of room.
long weir_write_room(int fd, long least);
int weir_shutdown_write(int fd);
int weir_close(int fd);
uint64_t weir_now(void);
/* Nanoseconds since 1970. */
uint64_t weir_since_epoch(void);
int weir_epoll_create(void);
int weir_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token);
int weir_epoll_wait(int epoll, weir_event *events, int count, int timeout_ms);
int weir_eventfd(void);
void weir_eventfd_signal(int fd);
void weir_eventfd_clear(int fd);
// Raises the limit of open files to its hard limit and says what it is now.
uint64_t weir_raise_file_limit(void);
// Whether the next two descriptors given are below `limit`; `any` is one that is open.
int weir_fits_pair(int any, int limit);
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

// Tells the service manager something in the words of sd_notify(3), if NOTIFY_SOCKET says where; 0, or a negative error
// number.
int weir_notify(const char *text);
// Starts a program, found as a shell finds it, with this process's environment and standard descriptors only, no signal
// ignored or blocked. `arguments` are n bytes, each argument terminated, the program first; at most 255 of them.
// Returns its process, or a negative error number.
int weir_spawn(const char *arguments, size_t n);

// The revision of the source that the program was built of; empty where scripts/build has not written it.
const char *weir_revision(void);
// Memory of zeros that other processes can map, whose size cannot change.
int weir_memory_create(const char *name, size_t size);
// The size of such memory; -EPERM when it could shrink under who maps it, another error when `fd` is no such memory.
long long weir_memory_size(int fd);
// Maps such memory, or memory of this process alone when `fd` is -1; NULL when there is none.
void *weir_memory_map(int fd, size_t size);
void weir_memory_unmap(void *at, size_t size);
// How many bytes of it have been touched so far.
long long weir_memory_in_use(int fd, void *at, size_t size);
// Opens the same file a second time, apart from the descriptors that other processes have of it.
int weir_open_again(int fd);
// A byte's lock (F_OFD_SETLK) belongs to whoever opened the file and ends with that: the kernel gives it back when the
// process dies. -EAGAIN when somebody else has it.
int weir_claim_byte(int fd, long at);
// Whether anybody else has it.
int weir_is_byte_claimed(int fd, long at);
void weir_pause(long microseconds);

// A stream for a C library to read from, whose bytes come from `read` (0 at the end, -1 with errno on failure). Its end
// does nothing to `context`.
FILE *weir_open_reader(ssize_t (*read)(void *context, char *to, size_t n), void *context);
// SIGINT and SIGTERM make the returned descriptor readable, once; the next of them ends the process as if nothing had
// been set. One that is ignored stays so (nohup, a background job of a script).
int weir_stop_on_signals(void);

// A TCP connection whose destination connection tracking translates: who made it, where to, and where it ends instead.
typedef struct {
  weir_endpoint client, destination, server;
  // enum tcp_conntrack of the kernel: 3 is established, 7 and 8 are over.
  uint8_t state;
} weir_translation;
// Gives every such connection of this network namespace to `body`, until that returns something else than 0; needs
// CAP_NET_ADMIN.
int weir_each_translation(int (*body)(void *context, const weir_translation *), void *context);

// A TCP socket of this network namespace.
typedef struct {
  weir_endpoint local, peer;
  uint32_t user;
  // TCP_ESTABLISHED and so on, of netinet/tcp.h.
  uint8_t state;
} weir_tcp_socket;
// Gives every TCP socket in one of `states` (bits by state) to `body`, as above; a port that is not 0 leaves out those
// with another. Any user may ask.
int weir_each_tcp_socket(uint32_t states, uint16_t local_port, uint16_t peer_port,
                         int (*body)(void *context, const weir_tcp_socket *), void *context);

// A second network namespace with a pair of devices into this one, from which a packet can enter as from another
// machine. It lives in a child process and is gone with that, which is gone with its parent. `place`, any number, says
// which of a few hundred link-local networks is taken (169.254.200.0 to 169.254.203.255, fe80::/64; fd57:6569:72…/64 for
// what leaves); needs CAP_NET_ADMIN and CAP_SYS_ADMIN.
typedef struct weir_probe weir_probe;
int weir_probe_start(uint16_t place, weir_probe **out);
// Whom a connection that enters this namespace, or leaves it, comes from.
weir_endpoint weir_probe_source(const weir_probe *probe, int enters, int is_ipv6, uint16_t port);
// Connects to a port at the other end, into this namespace or out of it, and reads the first line that is said, at most
// 128 bytes; how many.
int weir_probe_connect(weir_probe *probe, int enters, int is_ipv6, uint16_t source, uint16_t port, int timeout_ms,
                       uint8_t *bytes, size_t room);
void weir_probe_end(weir_probe *probe);
