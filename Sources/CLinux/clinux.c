#define _GNU_SOURCE
#include "clinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(weir_event) == sizeof(struct epoll_event), "the event is the kernel's");

static uint64_t weir_load64(const uint8_t *p) {
  uint64_t v = 0;
  for (int i = 0; i < 8; i++) v = v << 8 | p[i];
  return v;
}

static void weir_store64(uint8_t *p, uint64_t v) {
  for (int i = 7; i >= 0; i--, v >>= 8) p[i] = (uint8_t)v;
}

// A v4-mapped IPv6 address is the IPv4 address it stands for.
static weir_endpoint weir_from_sockaddr(const struct sockaddr_storage *s) {
  weir_endpoint e = {0, 0, 0, 0};
  if (s->ss_family == AF_INET) {
    const struct sockaddr_in *a = (const struct sockaddr_in *)s;
    e.low = ntohl(a->sin_addr.s_addr);
    e.port = ntohs(a->sin_port);
  } else if (s->ss_family == AF_INET6) {
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)s;
    e.high = weir_load64(a->sin6_addr.s6_addr);
    e.low = weir_load64(a->sin6_addr.s6_addr + 8);
    e.port = ntohs(a->sin6_port);
    if (e.high == 0 && e.low >> 32 == 0xffff) e.low &= 0xffffffff;
    else e.is_ipv6 = 1;
  }
  return e;
}

static socklen_t weir_to_sockaddr(weir_endpoint e, struct sockaddr_storage *s) {
  memset(s, 0, sizeof *s);
  if (e.is_ipv6) {
    struct sockaddr_in6 *a = (struct sockaddr_in6 *)s;
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(e.port);
    weir_store64(a->sin6_addr.s6_addr, e.high);
    weir_store64(a->sin6_addr.s6_addr + 8, e.low);
    return sizeof *a;
  }
  struct sockaddr_in *a = (struct sockaddr_in *)s;
  a->sin_family = AF_INET;
  a->sin_port = htons(e.port);
  a->sin_addr.s_addr = htonl((uint32_t)e.low);
  return sizeof *a;
}

static int weir_set(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof value) < 0 ? -errno : 0;
}

int weir_listen(weir_endpoint at, int dual_stack, int reuse_port, int transparent, int backlog) {
  int fd = socket(at.is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  struct sockaddr_storage s;
  socklen_t n = weir_to_sockaddr(at, &s);
  int e = weir_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (!e && reuse_port) e = weir_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (!e && at.is_ipv6) e = weir_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !dual_stack);
  if (!e && transparent) {
    e = weir_set(fd, SOL_IP, IP_TRANSPARENT, 1);
    if (!e && at.is_ipv6) e = weir_set(fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
  }
  if (!e && bind(fd, (struct sockaddr *)&s, n) < 0) e = -errno;
  if (!e && listen(fd, backlog) < 0) e = -errno;
  if (e) {
    close(fd);
    return e;
  }
  return fd;
}

int weir_local_endpoint(int fd, weir_endpoint *out) {
  struct sockaddr_storage s;
  socklen_t n = sizeof s;
  if (getsockname(fd, (struct sockaddr *)&s, &n) < 0) return -errno;
  *out = weir_from_sockaddr(&s);
  return 0;
}

int weir_accept(int listener, weir_endpoint *peer) {
  struct sockaddr_storage s;
  socklen_t n = sizeof s;
  int fd = accept4(listener, (struct sockaddr *)&s, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -errno;
  *peer = weir_from_sockaddr(&s);
  return fd;
}

int weir_original_destination(int fd, int peer_is_ipv6, weir_endpoint *out) {
  struct sockaddr_storage s;
  socklen_t n = sizeof s;
  memset(&s, 0, sizeof s);
  // SO_ORIGINAL_DST and IP6T_SO_ORIGINAL_DST are both 80.
  if (getsockopt(fd, peer_is_ipv6 ? SOL_IPV6 : SOL_IP, 80, &s, &n) < 0) return -errno;
  *out = weir_from_sockaddr(&s);
  return 0;
}

int weir_connect(weir_endpoint to) {
  int fd = socket(to.is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  struct sockaddr_storage s;
  socklen_t n = weir_to_sockaddr(to, &s);
  if (connect(fd, (struct sockaddr *)&s, n) < 0 && errno != EINPROGRESS) {
    int e = -errno;
    close(fd);
    return e;
  }
  return fd;
}

int weir_socket_error(int fd) {
  int e = 0;
  socklen_t n = sizeof e;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0) return -errno;
  return -e;
}

int weir_configure(int fd, int keepalive_idle, int keepalive_interval, int keepalive_count, int user_timeout_ms) {
  int e = weir_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (keepalive_idle > 0) {
    if (!e) e = weir_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (!e) e = weir_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle);
    if (!e) e = weir_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval);
    if (!e) e = weir_set(fd, IPPROTO_TCP, TCP_KEEPCNT, keepalive_count);
  }
  if (!e && user_timeout_ms > 0) e = weir_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
  return e;
}

int weir_reset_on_close(int fd) {
  struct linger l = {1, 0};
  return setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l) < 0 ? -errno : 0;
}

int weir_unacknowledged(int fd) {
  int n = 0;
  return ioctl(fd, SIOCOUTQ, &n) < 0 ? -errno : n;
}

int weir_unread(int fd) {
  int n = 0;
  return ioctl(fd, SIOCINQ, &n) < 0 ? -errno : n;
}

int weir_is_local_address(weir_endpoint e) {
  if (!e.is_ipv6 && e.low >> 24 == 127) return 1;
  struct ifaddrs *all, *i;
  if (getifaddrs(&all) < 0) return 0;
  int found = 0;
  for (i = all; i && !found; i = i->ifa_next) {
    if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6)) continue;
    struct sockaddr_storage s;
    memset(&s, 0, sizeof s);
    memcpy(&s, i->ifa_addr, i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    weir_endpoint a = weir_from_sockaddr(&s);
    found = a.high == e.high && a.low == e.low && a.is_ipv6 == e.is_ipv6;
  }
  freeifaddrs(all);
  return found;
}

// The C library makes its calls cancellation points, which costs a few per cent of a small read or write here.
long weir_read(int fd, void *to, size_t n) {
  long r = syscall(SYS_recvfrom, fd, to, n, 0, 0, 0);
  return r < 0 ? -errno : r;
}

long weir_write(int fd, const void *from, size_t n) {
  long r = syscall(SYS_sendto, fd, from, n, MSG_NOSIGNAL, 0, 0);
  return r < 0 ? -errno : r;
}

long weir_write_room(int fd, long least) {
  uint32_t m[SK_MEMINFO_VARS];
  socklen_t n = sizeof m;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, m, &n) < 0 || n <= SK_MEMINFO_WMEM_QUEUED * sizeof *m) return LONG_MAX;
  long queued = m[SK_MEMINFO_WMEM_QUEUED];
  long room = (long)m[SK_MEMINFO_SNDBUF] - queued;
  // The kernel calls a socket writable when its room is at least half of what it holds (sk_stream_min_wspace).
  if (room < least && room < queued / 2) return -1;
  return room > 0 ? room : 0;
}

int weir_shutdown_write(int fd) { return shutdown(fd, SHUT_WR) < 0 ? -errno : 0; }
int weir_close(int fd) { return close(fd) < 0 ? -errno : 0; }

static uint64_t weir_clock(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t weir_now(void) { return weir_clock(CLOCK_MONOTONIC); }
uint64_t weir_since_epoch(void) { return weir_clock(CLOCK_REALTIME); }

int weir_epoll_create(void) {
  int fd = epoll_create1(EPOLL_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int weir_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
  struct epoll_event e = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, operation, fd, &e) < 0 ? -errno : 0;
}

int weir_epoll_wait(int epoll, weir_event *events, int count, int timeout_ms) {
  int n = epoll_wait(epoll, (struct epoll_event *)events, count, timeout_ms);
  return n < 0 ? -errno : n;
}


int weir_eventfd(void) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

void weir_eventfd_signal(int fd) {
  uint64_t one = 1;
  ssize_t ignored = write(fd, &one, sizeof one);
  (void)ignored;
}

void weir_eventfd_clear(int fd) {
  uint64_t value;
  ssize_t ignored = read(fd, &value, sizeof value);
  (void)ignored;
}

uint64_t weir_raise_file_limit(void) {
  struct rlimit l;
  if (getrlimit(RLIMIT_NOFILE, &l) < 0) return 0;
  if (l.rlim_cur < l.rlim_max) {
    struct rlimit raised = {l.rlim_max, l.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return raised.rlim_cur;
  }
  return l.rlim_cur;
}

int weir_fits_pair(int any, int limit) {
  // The lowest numbers that are free are given.
  int first = fcntl(any, F_DUPFD_CLOEXEC, 0);
  int second = first < 0 || first >= limit ? -1 : fcntl(any, F_DUPFD_CLOEXEC, 0);
  if (first >= 0) close(first);
  if (second >= 0) close(second);
  return second >= 0 && second < limit;
}

int weir_affinity_count(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) < 0 ? 1 : CPU_COUNT(&set);
}

int weir_start_thread(void *(*body)(void *), void *context) {
  pthread_t t;
  pthread_attr_t a;
  pthread_attr_init(&a);
  pthread_attr_setdetachstate(&a, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&a, 512 * 1024);
  int e = pthread_create(&t, &a, body, context);
  pthread_attr_destroy(&a);
  return -e;
}

void weir_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

// A section of its own, so that it can be written into the finished program. Volatile: it is not what it seems here.
__attribute__((section(".weir_revision"), used)) static const volatile char revision[48] = "";

const char *weir_revision(void) { return (const char *)revision; }

FILE *weir_open_reader(ssize_t (*read)(void *context, char *to, size_t n), void *context) {
  FILE *f = fopencookie(context, "rb", (cookie_io_functions_t){.read = read});
  if (f) setvbuf(f, NULL, _IOFBF, 1 << 16);
  return f;
}

static volatile int stop_event = -1;

static void stop(int number) {
  (void)number;
  int kept = errno;
  weir_eventfd_signal(stop_event);
  errno = kept;
}

int weir_stop_on_signals(void) {
  static const int numbers[] = {SIGINT, SIGTERM};
  if (stop_event >= 0) return stop_event;
  int event = weir_eventfd();
  if (event < 0) return event;
  stop_event = event;
  for (int i = 0; i < 2; i++) {
    struct sigaction old, new = {.sa_handler = stop, .sa_flags = (int)SA_RESETHAND};
    if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN) sigaction(numbers[i], &new, NULL);
  }
  return event;
}

int weir_notify(const char *text) {
  const char *name = getenv("NOTIFY_SOCKET");
  if (!name || (name[0] != '/' && name[0] != '@')) return 0;
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  size_t n = strlen(name);
  if (n >= sizeof a.sun_path) return -ENAMETOOLONG;
  memcpy(a.sun_path, name, n);
  if (name[0] == '@') a.sun_path[0] = 0;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  ssize_t sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&a,
                        offsetof(struct sockaddr_un, sun_path) + n);
  int e = sent < 0 ? -errno : 0;
  close(fd);
  return e;
}

int weir_spawn(const char *arguments, size_t n) {
  char *list[256];
  int count = 0;
  for (size_t at = 0; at < n; at += strlen(arguments + at) + 1) {
    if (count == 255) return -E2BIG;
    list[count++] = (char *)arguments + at;
  }
  if (!count) return -EINVAL;
  list[count] = NULL;
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addclosefrom_np(&files, 3);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  pid_t pid;
  int e = posix_spawnp(&pid, list[0], &files, &attributes, list, environ);
  posix_spawn_file_actions_destroy(&files);
  posix_spawnattr_destroy(&attributes);
  return e ? -e : pid;
}
