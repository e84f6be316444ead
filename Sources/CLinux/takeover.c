#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

// An abstract name: a zero byte, then `name`; no zero byte at its end.
static socklen_t weir_abstract(const char *name, struct sockaddr_un *a) {
  size_t n = strnlen(name, sizeof a->sun_path - 1);
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  memcpy(a->sun_path + 1, name, n);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n);
}

static int weir_local_socket(void) { return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int weir_local_listen(const char *name) {
  struct sockaddr_un a;
  socklen_t n = weir_abstract(name, &a);
  int fd = weir_local_socket();
  if (fd < 0) return -errno;
  if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 4) < 0) {
    int e = -errno;
    close(fd);
    return e;
  }
  return fd;
}

int weir_local_connect(const char *name) {
  struct sockaddr_un a;
  socklen_t n = weir_abstract(name, &a);
  int fd = weir_local_socket();
  if (fd < 0) return -errno;
  if (connect(fd, (struct sockaddr *)&a, n) < 0) {
    int e = -errno;
    close(fd);
    return e;
  }
  return fd;
}

int weir_local_accept(int listener) {
  int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int weir_peer_user(int fd, uint32_t *out) {
  struct ucred c;
  socklen_t n = sizeof c;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &n) < 0) return -errno;
  *out = c.uid;
  return 0;
}

uint32_t weir_effective_user(void) { return geteuid(); }

int weir_wait(int fd, int events, int stop, int timeout_ms) {
  struct pollfd p[2] = {{.fd = fd, .events = (short)events}, {.fd = stop, .events = POLLIN}};
  int n;
  do n = poll(p, 2, timeout_ms);
  while (n < 0 && errno == EINTR);
  if (n < 0) return -errno;
  return p[1].revents ? 2 : p[0].revents ? 1 : 0;
}

long weir_send_descriptors(int fd, const void *bytes, size_t n, const int *fds, int count) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int) * WEIR_MAX_DESCRIPTORS)];
  } control;
  if (count < 0 || count > WEIR_MAX_DESCRIPTORS) return -EINVAL;
  struct iovec v = {(void *)bytes, n};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
  if (count > 0) {
    memset(&control, 0, sizeof control);
    m.msg_control = control.space;
    m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
  }
  long r = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
  return r < 0 ? -errno : r;
}

long weir_receive_descriptors(int fd, void *bytes, size_t n, int *fds, int *count) {
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int) * WEIR_MAX_DESCRIPTORS)];
  } control;
  struct iovec v = {bytes, n};
  struct msghdr m = {
      .msg_iov = &v, .msg_iovlen = 1, .msg_control = control.space, .msg_controllen = sizeof control.space};
  *count = 0;
  long r = recvmsg(fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (r < 0) return -errno;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t more = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    // The space is for so many, in however many headers they come.
    for (size_t i = 0; i < more && *count < WEIR_MAX_DESCRIPTORS; i++) {
      memcpy(&fds[*count], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
      (*count)++;
    }
  }
  if (!(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return r;
  for (int i = 0; i < *count; i++) close(fds[i]);
  *count = 0;
  return -EMSGSIZE;
}

int weir_duplicate(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  return copy < 0 ? -errno : copy;
}

static int weir_option(int fd, int name) {
  int value = -1;
  socklen_t n = sizeof value;
  return getsockopt(fd, SOL_SOCKET, name, &value, &n) < 0 ? -errno : value;
}

int weir_is_tcp_listener(int fd) {
  int domain = weir_option(fd, SO_DOMAIN);
  return (domain == AF_INET || domain == AF_INET6) && weir_option(fd, SO_TYPE) == SOCK_STREAM &&
         weir_option(fd, SO_PROTOCOL) == IPPROTO_TCP && weir_option(fd, SO_ACCEPTCONN) == 1;
}

int weir_adopt_listener(int fd, int transparent) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) return -errno;
  int one = 1;
  if (!transparent) return 0;
  if (setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof one) < 0) return -errno;
  if (weir_option(fd, SO_DOMAIN) == AF_INET6 && setsockopt(fd, SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof one) < 0) {
    return -errno;
  }
  return 0;
}
