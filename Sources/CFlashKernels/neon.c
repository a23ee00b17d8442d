// NEON of any 64-bit ARM: dot products by widening multiplications and pairwise additions.
#if defined(__aarch64__)
#include "common.h"

#pragma STDC FP_CONTRACT OFF

#define USE_SDOT 0
#include "neon.h"

#define TABLE CFlashKernels_neonTable
#include "template.h"
#endif
