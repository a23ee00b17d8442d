// AVX-512 F, BW, VL, DQ and VNNI.
#if defined(__x86_64__)
#include "common.h"
#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(                                                                      \
    __attribute__((target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))),   \
    apply_to = function)

#include "avx512.h"

#define TABLE CFlashKernels_avx512Table
#include "template.h"

#pragma clang attribute pop
#endif
