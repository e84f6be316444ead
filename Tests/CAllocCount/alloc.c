#include "CAllocCount.h"
#include <stddef.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

// A sanitizer has an allocator of its own, which must not be bypassed: nothing is counted then.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || defined(__SANITIZE_ADDRESS__) || \
    defined(__SANITIZE_THREAD__)
uint64_t alloc_count(void) { return 0; }
#else
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static __thread uint64_t counted;

uint64_t alloc_count(void) { return counted; }
void *malloc(size_t n) { counted++; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { counted++; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { counted++; return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { counted++; return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { counted++; return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) { counted++; *p = __libc_memalign(a, n); return *p ? 0 : 12; }
void free(void *p) { __libc_free(p); }
#endif
