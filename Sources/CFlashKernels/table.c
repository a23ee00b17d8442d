// Which instruction sets this CPU and kernel offer.
#include "common.h"

#if defined(__x86_64__)

// __builtin_cpu_supports asks cpuid and, for the wide registers, xgetbv.
static const CFlashKernels_Table *processorTable(CFlashKernels_InstructionSet set) {
  switch (set) {
  case CFlashKernels_avx2:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                   __builtin_cpu_supports("f16c")
               ? &CFlashKernels_avx2Table
               : NULL;
  case CFlashKernels_avx512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vnni")
               ? &CFlashKernels_avx512Table
               : NULL;
  default:
    return NULL;
  }
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

static const CFlashKernels_Table *processorTable(CFlashKernels_InstructionSet set) {
  const unsigned long features = getauxval(AT_HWCAP);
  if (set != CFlashKernels_neon || !(features & HWCAP_ASIMD))
    return NULL;
  return features & HWCAP_ASIMDDP ? &CFlashKernels_neonDotTable : &CFlashKernels_neonTable;
}

#else

static const CFlashKernels_Table *processorTable(CFlashKernels_InstructionSet set) {
  return (void)set, NULL;
}

#endif

const CFlashKernels_Table *CFlashKernels_table(CFlashKernels_InstructionSet set) {
  return set == CFlashKernels_scalar ? &CFlashKernels_scalarTable : processorTable(set);
}

__attribute__((swiftcall)) void CFlashKernels_keep_body(void *function, void *context,
                                                        struct CFlashKernels_body *body) {
  body->function = function;
  body->context = context;
}
