#define _GNU_SOURCE
#include "clinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A request to rtnetlink with room for its attributes.
typedef struct {
  struct nlmsghdr head;
  union {
    struct ifinfomsg link;
    struct ifaddrmsg address;
    uint8_t room[512];
  };
} weir_request;

static void weir_add(weir_request *r, int type, const void *data, size_t n) {
  struct nlattr a = {.nla_len = (uint16_t)(sizeof a + n), .nla_type = (uint16_t)type};
  uint8_t *at = (uint8_t *)r + NLMSG_ALIGN(r->head.nlmsg_len);
  memcpy(at, &a, sizeof a);
  if (n > 0) memcpy(at + sizeof a, data, n);
  r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + NLA_ALIGN(a.nla_len);
}

// Attributes inside of attributes: where one begins, and its end.
static size_t weir_begin(weir_request *r, int type) {
  size_t at = NLMSG_ALIGN(r->head.nlmsg_len);
  weir_add(r, type, NULL, 0);
  return at;
}

static void weir_finish(weir_request *r, size_t at) {
  uint16_t length = (uint16_t)(r->head.nlmsg_len - at);
  memcpy((uint8_t *)r + at, &length, sizeof length);
}

static int weir_ask(weir_request *r) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno;
  struct timeval patience = {5, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  r->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
    uint8_t room[1024];
  } answer;
  int result = -EPROTO;
  if (send(fd, r, r->head.nlmsg_len, 0) < 0) result = -errno;
  else {
    ssize_t got = recv(fd, &answer, sizeof answer, 0);
    if (got < 0) result = -errno;
    else if ((size_t)got >= sizeof answer.head + sizeof answer.error && answer.head.nlmsg_type == NLMSG_ERROR)
      result = answer.error.error;
  }
  close(fd);
  return result;
}

// A pair of devices, one of them in the network namespace of a process.
static int weir_add_pair(const char *name, const char *peer, pid_t pid) {
  weir_request r = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_NEWLINK,
                             .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL}};
  weir_add(&r, IFLA_IFNAME, name, strlen(name) + 1);
  size_t info = weir_begin(&r, IFLA_LINKINFO);
  weir_add(&r, IFLA_INFO_KIND, "veth", 5);
  size_t data = weir_begin(&r, IFLA_INFO_DATA);
  size_t other = weir_begin(&r, VETH_INFO_PEER);
  struct ifinfomsg none = {0};
  memcpy((uint8_t *)&r + r.head.nlmsg_len, &none, sizeof none);
  r.head.nlmsg_len += sizeof none;
  weir_add(&r, IFLA_IFNAME, peer, strlen(peer) + 1);
  uint32_t owner = (uint32_t)pid;
  weir_add(&r, IFLA_NET_NS_PID, &owner, sizeof owner);
  weir_finish(&r, other);
  weir_finish(&r, data);
  weir_finish(&r, info);
  return weir_ask(&r);
}

static int weir_raise(unsigned index) {
  weir_request r = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_NEWLINK}};
  r.link.ifi_index = (int)index;
  r.link.ifi_flags = r.link.ifi_change = IFF_UP;
  return weir_ask(&r);
}

static int weir_add_address(unsigned index, int family, const void *address, int prefix) {
  weir_request r = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)), .nlmsg_type = RTM_NEWADDR,
                             .nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL}};
  const uint8_t *first = address;
  int is_link_local = family == AF_INET || *first == 0xfe;
  r.address.ifa_family = (uint8_t)family;
  r.address.ifa_prefixlen = (uint8_t)prefix;
  r.address.ifa_index = index;
  r.address.ifa_scope = is_link_local ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  // Usable at once: nobody else is on the line.
  r.address.ifa_flags = IFA_F_NODAD;
  size_t n = family == AF_INET ? 4 : 16;
  weir_add(&r, IFA_LOCAL, address, n);
  weir_add(&r, IFA_ADDRESS, address, n);
  return weir_ask(&r);
}

// Both ends' addresses: 169.254.200.0/22 less the last two bits and fe80::/64; for what leaves this namespace over IPv6
// a unique local network, because a socket with a link-local address is bound to its device, which a redirected
// connection leaves.
static void weir_end_address(uint16_t place, int end, int family, int is_routed, uint8_t *out) {
  memset(out, 0, 16);
  if (family == AF_INET) {
    out[0] = 169, out[1] = 254;
    out[2] = (uint8_t)(200 + (place >> 6 & 3));
    out[3] = (uint8_t)((place & 63) << 2 | (end + 1));
    return;
  }
  if (is_routed) {
    out[0] = 0xfd, out[1] = 0x57, out[2] = 0x65, out[3] = 0x69, out[4] = 0x72;
    out[5] = (uint8_t)(place >> 8), out[6] = (uint8_t)place;
  } else {
    out[0] = 0xfe, out[1] = 0x80, out[13] = 0x57;
  }
  out[15] = (uint8_t)(end + 1);
}

static int weir_set_up(const char *name, uint16_t place, int end) {
  unsigned index = if_nametoindex(name);
  if (index == 0) return -errno;
  uint8_t address[16];
  weir_end_address(place, end, AF_INET, 0, address);
  int result = weir_add_address(index, AF_INET, address, 30);
  if (result == 0) result = weir_raise(index);
  // Without IPv6 there is nothing to try over it.
  for (int is_routed = 0; result == 0 && is_routed < 2; is_routed++) {
    weir_end_address(place, end, AF_INET6, is_routed, address);
    (void)weir_add_address(index, AF_INET6, address, 64);
  }
  return result;
}

struct weir_probe {
  pid_t child;
  int orders, answers;
  uint16_t place;
  char name[IFNAMSIZ];
};

typedef struct {
  int family, timeout_ms;
  uint16_t source, port;
} weir_probe_order;

typedef struct {
  int result;
  uint8_t bytes[128];
} weir_probe_answer;

static int64_t weir_milliseconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int weir_until(int fd, int events, int64_t deadline) {
  for (;;) {
    int64_t left = deadline - weir_milliseconds();
    struct pollfd p = {fd, (short)events, 0};
    int n = poll(&p, 1, left > 0 ? (int)left : 0);
    if (n > 0) return 0;
    if (n == 0) return -ETIMEDOUT;
    if (errno != EINTR) return -errno;
  }
}

// Connects as told from one end to the other and reads what is said first, up to a line's end.
static int weir_try(const weir_probe_order *order, uint16_t place, int own, unsigned index, uint8_t *bytes,
                    size_t room) {
  struct sockaddr_storage from = {0}, to = {0};
  socklen_t length;
  uint8_t address[16];
  for (int end = 0; end < 2; end++) {
    struct sockaddr_storage *s = end == own ? &from : &to;
    uint16_t port = htons(end == own ? order->source : order->port);
    weir_end_address(place, end, order->family, own == 0, address);
    if (order->family == AF_INET) {
      struct sockaddr_in *a = (struct sockaddr_in *)s;
      a->sin_family = AF_INET, a->sin_port = port;
      memcpy(&a->sin_addr, address, 4);
      length = sizeof *a;
    } else {
      struct sockaddr_in6 *a = (struct sockaddr_in6 *)s;
      a->sin6_family = AF_INET6, a->sin6_port = port, a->sin6_scope_id = own == 0 ? 0 : index;
      memcpy(&a->sin6_addr, address, 16);
      length = sizeof *a;
    }
  }
  int64_t deadline = weir_milliseconds() + order->timeout_ms;
  int fd = socket(order->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -errno;
  int result = 0;
  if (bind(fd, (struct sockaddr *)&from, length) < 0) result = -errno;
  else if (connect(fd, (struct sockaddr *)&to, length) < 0 && errno != EINPROGRESS) result = -errno;
  if (result == 0) result = weir_until(fd, POLLOUT, deadline);
  if (result == 0) result = weir_socket_error(fd);
  size_t n = 0;
  while (result == 0 && n < room && (n == 0 || bytes[n - 1] != '\n')) {
    result = weir_until(fd, POLLIN, deadline);
    if (result != 0) break;
    ssize_t got = recv(fd, bytes + n, room - n, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) result = -errno;
    if (got <= 0) break;
    n += (size_t)got;
  }
  close(fd);
  return result != 0 ? result : (int)n;
}

// The second namespace: it lives as long as this process, which ends with its parent.
static _Noreturn void weir_probe_child(int orders, int answers, pid_t parent, const char *peer, uint16_t place) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  weir_probe_answer answer = {0};
  if (unshare(CLONE_NEWNET) < 0) answer.result = -errno;
  if (write(answers, &answer, sizeof answer) < 0 || answer.result != 0) _exit(0);
  weir_probe_order order;
  while (read(orders, &order, sizeof order) == (ssize_t)sizeof order) {
    memset(&answer, 0, sizeof answer);
    if (order.family == 0) {
      unsigned lo = if_nametoindex("lo");
      answer.result = weir_set_up(peer, place, 1);
      if (answer.result == 0 && lo != 0) answer.result = weir_raise(lo);
    } else {
      answer.result = weir_try(&order, place, 1, if_nametoindex(peer), answer.bytes, sizeof answer.bytes);
    }
    if (write(answers, &answer, sizeof answer) < 0) break;
  }
  _exit(0);
}

static int weir_probe_ask(weir_probe *probe, const weir_probe_order *order, weir_probe_answer *answer) {
  if (order != NULL && write(probe->orders, order, sizeof *order) != (ssize_t)sizeof *order) return -EPIPE;
  int result = weir_until(probe->answers, POLLIN, weir_milliseconds() + 15000);
  if (result != 0) return result;
  return read(probe->answers, answer, sizeof *answer) == (ssize_t)sizeof *answer ? answer->result : -EPIPE;
}

int weir_probe_start(uint16_t place, weir_probe **out) {
  int orders[2], answers[2];
  weir_probe *probe = calloc(1, sizeof *probe);
  if (probe == NULL) return -ENOMEM;
  if (pipe2(orders, O_CLOEXEC) < 0) {
    free(probe);
    return -errno;
  }
  if (pipe2(answers, O_CLOEXEC) < 0) {
    int code = -errno;
    close(orders[0]), close(orders[1]), free(probe);
    return code;
  }
  char peer[IFNAMSIZ] = "weir-probe";
  strcpy(probe->name, "weir0000");
  for (int i = 0; i < 4; i++) probe->name[4 + i] = "0123456789abcdef"[place >> (12 - 4 * i) & 15];
  pid_t parent = getpid();
  probe->child = fork();
  if (probe->child == 0) weir_probe_child(orders[0], answers[1], parent, peer, place);
  int result = probe->child < 0 ? -errno : 0;
  close(orders[0]), close(answers[1]);
  probe->orders = orders[1], probe->answers = answers[0], probe->place = place;
  weir_probe_answer answer;
  weir_probe_order set_up = {0};
  if (result == 0) result = weir_probe_ask(probe, NULL, &answer);
  if (result == 0) result = weir_add_pair(probe->name, peer, probe->child);
  if (result == 0) result = weir_set_up(probe->name, place, 0);
  if (result == 0) result = weir_probe_ask(probe, &set_up, &answer);
  if (result != 0) {
    weir_probe_end(probe);
    return result;
  }
  *out = probe;
  return 0;
}

weir_endpoint weir_probe_source(const weir_probe *probe, int enters, int is_ipv6, uint16_t port) {
  weir_endpoint e = {.port = port, .is_ipv6 = (uint8_t)(is_ipv6 != 0)};
  uint8_t address[16];
  weir_end_address(probe->place, enters != 0, is_ipv6 ? AF_INET6 : AF_INET, !enters, address);
  for (int i = 0; i < (is_ipv6 ? 16 : 4); i++) {
    e.high = e.high << 8 | e.low >> 56;
    e.low = e.low << 8 | address[i];
  }
  return e;
}

int weir_probe_connect(weir_probe *probe, int enters, int is_ipv6, uint16_t source, uint16_t port, int timeout_ms,
                       uint8_t *bytes, size_t room) {
  weir_probe_order order = {is_ipv6 ? AF_INET6 : AF_INET, timeout_ms < 10000 ? timeout_ms : 10000, source, port};
  if (!enters) return weir_try(&order, probe->place, 0, if_nametoindex(probe->name), bytes, room);
  weir_probe_answer answer;
  int result = weir_probe_ask(probe, &order, &answer);
  if (result <= 0) return result;
  size_t n = (size_t)result < sizeof answer.bytes ? (size_t)result : sizeof answer.bytes;
  if (n > room) n = room;
  memcpy(bytes, answer.bytes, n);
  return (int)n;
}

void weir_probe_end(weir_probe *probe) {
  close(probe->orders);
  close(probe->answers);
  // The kernel takes the devices away by itself as well, some time after the namespace's last process has ended.
  unsigned index = if_nametoindex(probe->name);
  if (index != 0) {
    weir_request r = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)), .nlmsg_type = RTM_DELLINK}};
    r.link.ifi_index = (int)index;
    (void)weir_ask(&r);
  }
  if (probe->child > 0) {
    kill(probe->child, SIGKILL);
    while (waitpid(probe->child, NULL, 0) < 0 && errno == EINTR) {}
  }
  free(probe);
}
