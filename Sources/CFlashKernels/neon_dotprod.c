// NEON with SDOT (optional from ARMv8.2, always there from ARMv8.4).
#if defined(__aarch64__)
#include "common.h"
#include <arm_neon.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

#define USE_SDOT 1
#include "neon.h"

#define TABLE CFlashKernels_neonDotTable
#include "template.h"

#pragma clang attribute pop
#endif
