// AMX: the products of many tokens on tiles of 8-bit integers; everything else is avx512.c's.
#if defined(__x86_64__)
#include "common.h"
#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(                                                                      \
    __attribute__((target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,"      \
                          "amx-tile,amx-int8"))),                                                  \
    apply_to = function)

#define TILE_CONFIGURE(shape) _tile_loadconfig(shape)
#define TILE_RELEASE() _tile_release()
#define TILE_ZERO(tile) _tile_zero(tile)
#define TILE_LOAD(tile, from, stride) _tile_loadd(tile, from, stride)
#define TILE_STORE(tile, to, stride) _tile_stored(tile, to, stride)
#define TILE_DOT_SIGNED(sum, a, b) _tile_dpbssd(sum, a, b)
#include "amx.h"

ON_TILES(CFlashKernels_amx, Q8_0, q8_0)
ON_TILES(CFlashKernels_amx, Q4_0, q4_0)
ON_TILES(CFlashKernels_amx, MXFP4, mxfp4)
ON_TILES(CFlashKernels_amx, Q4_K, q4_K)
ON_TILES(CFlashKernels_amx, Q6_K, q6_K)

#pragma clang attribute pop
#endif
