// Plain reading of memory: what the kernels that stream weights are measured against.
#include "CFlashKernels.h"

typedef uint64_t line __attribute__((vector_size(64), aligned(64)));

// Wide enough that DRAM is the limit on any CPU: reading waits for lines, not for instructions.
uint64_t CFlashKernels_read(const void *bytes, size_t count, size_t streams, size_t ahead) {
  size_t part = count / streams / 128 * 128;
  line even = {0}, odd = {0};
  for (size_t i = 0; i < part; i += 128) {
    for (size_t stream = 0; stream < streams; stream++) {
      const char *p = (const char *)bytes + stream * part + i;
      __builtin_prefetch(p + ahead);
      __builtin_prefetch(p + ahead + 64);
      even += *(const line *)p;
      odd += *(const line *)(p + 64);
    }
  }
  even += odd;
  uint64_t sum = 0;
  for (int i = 0; i < 8; i++)
    sum += even[i];
  return sum;
}
