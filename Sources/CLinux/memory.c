#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define WEIR_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

int weir_memory_create(const char *name, size_t size) {
  // Kernels before 6.3 do not know that memory is not to be executed, later ones may insist on being told.
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return -errno;
  if (ftruncate(fd, (off_t)size) < 0 || fcntl(fd, F_ADD_SEALS, WEIR_SEALS) < 0) {
    int e = -errno;
    close(fd);
    return e;
  }
  return fd;
}

long long weir_memory_size(int fd) {
  int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0) return -errno;
  if (!(seals & F_SEAL_SHRINK)) return -EPERM;
  struct stat s;
  return fstat(fd, &s) < 0 ? -errno : (long long)s.st_size;
}

void *weir_memory_map(int fd, size_t size) {
  int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  return p == MAP_FAILED ? NULL : p;
}

void weir_memory_unmap(void *at, size_t size) { munmap(at, size); }

long long weir_memory_in_use(int fd, void *at, size_t size) {
  if (fd >= 0) {
    struct stat s;
    return fstat(fd, &s) < 0 ? -errno : (long long)s.st_blocks * 512;
  }
  long page = sysconf(_SC_PAGESIZE);
  unsigned char resident[1024];
  long long pages = 0;
  for (size_t done = 0; done < size; done += sizeof resident * (size_t)page) {
    size_t left = size - done;
    if (left > sizeof resident * (size_t)page) left = sizeof resident * (size_t)page;
    if (mincore((char *)at + done, left, resident) < 0) return -errno;
    for (size_t i = 0; i * (size_t)page < left; i++) pages += resident[i] & 1;
  }
  return pages * page;
}

int weir_open_again(int fd) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  int again = open(path, O_RDWR | O_CLOEXEC);
  return again < 0 ? -errno : again;
}

int weir_claim_byte(int fd, long at) {
  struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
  return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

int weir_is_byte_claimed(int fd, long at) {
  struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
  if (fcntl(fd, F_OFD_GETLK, &l) < 0) return -errno;
  return l.l_type != F_UNLCK;
}

void weir_pause(long microseconds) {
  struct timespec t = {microseconds / 1000000, microseconds % 1000000 * 1000};
  nanosleep(&t, NULL);
}
