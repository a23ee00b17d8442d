// Which instruction sets this CPU and kernel offer.
#include "common.h"

#if defined(__x86_64__)
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static CFlashKernels_Table amxTable, emulatedTable;
static int hasTiles;

// Linux lets a process use tiles once it has asked; threads it starts later inherit the permission,
// and those it has get it too. ARCH_REQ_XCOMP_PERM for XFEATURE_XTILEDATA: 5.16 and later grant it.
static int tilesAreGranted(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

static void makeTables(void) {
  amxTable = emulatedTable = CFlashKernels_avx512Table;
  amxTable.q8_0.dot = CFlashKernels_amxDotQ8_0;
  amxTable.q4_0.dot = CFlashKernels_amxDotQ4_0;
  amxTable.mxfp4.dot = CFlashKernels_amxDotMXFP4;
  amxTable.q4_K.dot = CFlashKernels_amxDotQ4_K;
  amxTable.q6_K.dot = CFlashKernels_amxDotQ6_K;
  emulatedTable.q8_0.dot = CFlashKernels_emulatedDotQ8_0;
  emulatedTable.q4_0.dot = CFlashKernels_emulatedDotQ4_0;
  emulatedTable.mxfp4.dot = CFlashKernels_emulatedDotMXFP4;
  emulatedTable.q4_K.dot = CFlashKernels_emulatedDotQ4_K;
  emulatedTable.q6_K.dot = CFlashKernels_emulatedDotQ6_K;
  amxTable.q8_0.accumulate = CFlashKernels_amxAccumulateQ8_0;
  amxTable.q4_0.accumulate = CFlashKernels_amxAccumulateQ4_0;
  amxTable.mxfp4.accumulate = CFlashKernels_amxAccumulateMXFP4;
  amxTable.q4_K.accumulate = CFlashKernels_amxAccumulateQ4_K;
  amxTable.q6_K.accumulate = CFlashKernels_amxAccumulateQ6_K;
  emulatedTable.q8_0.accumulate = CFlashKernels_emulatedAccumulateQ8_0;
  emulatedTable.q4_0.accumulate = CFlashKernels_emulatedAccumulateQ4_0;
  emulatedTable.mxfp4.accumulate = CFlashKernels_emulatedAccumulateMXFP4;
  emulatedTable.q4_K.accumulate = CFlashKernels_emulatedAccumulateQ4_K;
  emulatedTable.q6_K.accumulate = CFlashKernels_emulatedAccumulateQ6_K;
  hasTiles = __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-int8") &&
             tilesAreGranted();
}

// AVX-512's functions with the dots exchanged.
static const CFlashKernels_Table *tableOnTiles(int isEmulated) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (CFlashKernels_table(CFlashKernels_avx512) == NULL || pthread_once(&once, makeTables) != 0)
    return NULL;
  return isEmulated ? &emulatedTable : hasTiles ? &amxTable : NULL;
}

const CFlashKernels_Table *CFlashKernels_emulatedAMXTable(void) { return tableOnTiles(1); }

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
  case CFlashKernels_amx:
    return tableOnTiles(0);
  default:
    return NULL;
  }
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

const CFlashKernels_Table *CFlashKernels_emulatedAMXTable(void) { return NULL; }

static const CFlashKernels_Table *processorTable(CFlashKernels_InstructionSet set) {
  const unsigned long features = getauxval(AT_HWCAP);
  if (set != CFlashKernels_neon || !(features & HWCAP_ASIMD))
    return NULL;
  return features & HWCAP_ASIMDDP ? &CFlashKernels_neonDotTable : &CFlashKernels_neonTable;
}

#else

const CFlashKernels_Table *CFlashKernels_emulatedAMXTable(void) { return NULL; }

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
