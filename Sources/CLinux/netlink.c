#define _GNU_SOURCE
#include "clinux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define WEIR_NETLINK_BUFFER (1 << 16)

static weir_endpoint weir_from_bytes(const uint8_t *address, int is_ipv6, uint16_t port) {
  weir_endpoint e = {0, 0, port, 0};
  for (int i = 0; i < (is_ipv6 ? 16 : 4); i++) {
    e.high = e.high << 8 | e.low >> 56;
    e.low = e.low << 8 | address[i];
  }
  if (is_ipv6) {
    if (e.high == 0 && e.low >> 32 == 0xffff) e.low &= 0xffffffff;
    else e.is_ipv6 = 1;
  }
  return e;
}

// Asks for a dump and gives every message of the answer to `each`, until that returns something else than 0.
static int weir_dump(int protocol, const void *request, size_t n,
                     int (*each)(const struct nlmsghdr *, void *), void *context) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -errno;
  // The kernel answers at once; a lost answer must not hang its reader.
  struct timeval patience = {10, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  int result = 0;
  uint8_t *buffer = malloc(WEIR_NETLINK_BUFFER);
  if (buffer == NULL) result = -ENOMEM;
  else if (sendto(fd, request, n, 0, (struct sockaddr *)&kernel, sizeof kernel) < 0) result = -errno;
  for (int ended = result != 0; !ended;) {
    ssize_t got = recv(fd, buffer, WEIR_NETLINK_BUFFER, MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) result = -errno;
    else if (got > WEIR_NETLINK_BUFFER) result = -EMSGSIZE;
    if (result != 0) break;
    int left = (int)got;
    for (const struct nlmsghdr *m = (const void *)buffer; !ended && NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
      if (m->nlmsg_type == NLMSG_DONE) ended = 1;
      else if (m->nlmsg_type == NLMSG_ERROR) {
        if (m->nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr)))
          result = ((const struct nlmsgerr *)NLMSG_DATA(m))->error;
        ended = 1;
      } else {
        result = each(m, context);
        ended = result != 0;
      }
    }
    if (got == 0) break;
  }
  free(buffer);
  close(fd);
  return result;
}

// Finds one attribute among those in `bytes`; its payload and length, or NULL.
static const uint8_t *weir_attribute(const uint8_t *bytes, size_t n, int type, size_t *length) {
  while (n >= sizeof(struct nlattr)) {
    struct nlattr a;
    memcpy(&a, bytes, sizeof a);
    if (a.nla_len < sizeof a || a.nla_len > n) return NULL;
    if ((a.nla_type & NLA_TYPE_MASK) == type) {
      *length = a.nla_len - sizeof a;
      return bytes + sizeof a;
    }
    size_t step = NLA_ALIGN(a.nla_len);
    if (step >= n) return NULL;
    bytes += step;
    n -= step;
  }
  return NULL;
}

// One end of a tuple of a TCP connection; whether it is one.
static int weir_tuple_end(const uint8_t *tuple, size_t n, int is_ipv6, int is_source, weir_endpoint *out) {
  size_t ips, protocol, length;
  const uint8_t *ip = weir_attribute(tuple, n, CTA_TUPLE_IP, &ips);
  const uint8_t *proto = weir_attribute(tuple, n, CTA_TUPLE_PROTO, &protocol);
  if (ip == NULL || proto == NULL) return 0;
  const uint8_t *number = weir_attribute(proto, protocol, CTA_PROTO_NUM, &length);
  if (number == NULL || length < 1 || *number != IPPROTO_TCP) return 0;
  const uint8_t *port = weir_attribute(proto, protocol, is_source ? CTA_PROTO_SRC_PORT : CTA_PROTO_DST_PORT, &length);
  if (port == NULL || length < 2) return 0;
  int type = is_ipv6 ? (is_source ? CTA_IP_V6_SRC : CTA_IP_V6_DST) : (is_source ? CTA_IP_V4_SRC : CTA_IP_V4_DST);
  const uint8_t *address = weir_attribute(ip, ips, type, &length);
  if (address == NULL || length < (is_ipv6 ? 16 : 4)) return 0;
  *out = weir_from_bytes(address, is_ipv6, (uint16_t)(port[0] << 8 | port[1]));
  return 1;
}

typedef struct {
  int (*body)(void *, const weir_translation *);
  void *context;
} weir_translation_reader;

static int weir_read_translation(const struct nlmsghdr *m, void *context) {
  weir_translation_reader *reader = context;
  if (m->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg))) return 0;
  const struct nfgenmsg *head = NLMSG_DATA(m);
  const uint8_t *bytes = (const uint8_t *)head + NLMSG_ALIGN(sizeof *head);
  size_t n = m->nlmsg_len - NLMSG_LENGTH(sizeof *head), length, inner;
  int is_ipv6 = head->nfgen_family == AF_INET6;
  const uint8_t *status = weir_attribute(bytes, n, CTA_STATUS, &length);
  if (status == NULL || length < 4) return 0;
  uint32_t flags = (uint32_t)status[0] << 24 | status[1] << 16 | status[2] << 8 | status[3];
  if (!(flags & IPS_DST_NAT)) return 0;
  weir_translation found = {0};
  const uint8_t *tuple = weir_attribute(bytes, n, CTA_TUPLE_ORIG, &length);
  if (tuple == NULL || !weir_tuple_end(tuple, length, is_ipv6, 1, &found.client)) return 0;
  if (!weir_tuple_end(tuple, length, is_ipv6, 0, &found.destination)) return 0;
  tuple = weir_attribute(bytes, n, CTA_TUPLE_REPLY, &length);
  if (tuple == NULL || !weir_tuple_end(tuple, length, is_ipv6, 1, &found.server)) return 0;
  const uint8_t *info = weir_attribute(bytes, n, CTA_PROTOINFO, &length);
  const uint8_t *tcp = info == NULL ? NULL : weir_attribute(info, length, CTA_PROTOINFO_TCP, &inner);
  const uint8_t *state = tcp == NULL ? NULL : weir_attribute(tcp, inner, CTA_PROTOINFO_TCP_STATE, &length);
  if (state != NULL && length >= 1) found.state = *state;
  return reader->body(reader->context, &found);
}

int weir_each_translation(int (*body)(void *, const weir_translation *), void *context) {
  struct {
    struct nlmsghdr head;
    struct nfgenmsg family;
  } request = {
      .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
               .nlmsg_type = NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET,
               .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
      .family = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
  };
  weir_translation_reader reader = {body, context};
  return weir_dump(NETLINK_NETFILTER, &request, sizeof request, weir_read_translation, &reader);
}

typedef struct {
  int (*body)(void *, const weir_tcp_socket *);
  void *context;
} weir_socket_reader;

static int weir_read_socket(const struct nlmsghdr *m, void *context) {
  weir_socket_reader *reader = context;
  if (m->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg))) return 0;
  const struct inet_diag_msg *d = NLMSG_DATA(m);
  int is_ipv6 = d->idiag_family == AF_INET6;
  weir_tcp_socket found = {
      .local = weir_from_bytes((const uint8_t *)d->id.idiag_src, is_ipv6, ntohs(d->id.idiag_sport)),
      .peer = weir_from_bytes((const uint8_t *)d->id.idiag_dst, is_ipv6, ntohs(d->id.idiag_dport)),
      .user = d->idiag_uid,
      .state = d->idiag_state,
  };
  return reader->body(reader->context, &found);
}

int weir_each_tcp_socket(uint32_t states, uint16_t local_port, uint16_t peer_port,
                         int (*body)(void *, const weir_tcp_socket *),
                         void *context) {
  weir_socket_reader reader = {body, context};
  static const uint8_t families[] = {AF_INET, AF_INET6};
  for (size_t i = 0; i < sizeof families; i++) {
    struct {
      struct nlmsghdr head;
      struct inet_diag_req_v2 what;
    } request = {
        .head = {.nlmsg_len = sizeof request,
                 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .what = {.sdiag_family = families[i],
                 .sdiag_protocol = IPPROTO_TCP,
                 .idiag_states = states,
                 .id = {.idiag_sport = htons(local_port), .idiag_dport = htons(peer_port)}},
    };
    int result = weir_dump(NETLINK_SOCK_DIAG, &request, sizeof request, weir_read_socket, &reader);
    // A kernel without IPv6 has no such sockets.
    if (result != 0 && !(families[i] == AF_INET6 && result == -ENOENT)) return result;
  }
  return 0;
}
