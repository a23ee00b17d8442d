// The AMX kernels over tiles in plain C, as Intel's manual defines them: for tests on a CPU that
// has AVX-512 and no tiles. What would fault there traps here.
#if defined(__x86_64__)
#include "common.h"
#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(                                                                      \
    __attribute__((target("avx2,fma,f16c,bmi2,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))),   \
    apply_to = function)

typedef struct {
  int8_t byte[16][64];
} EmulatedTile;

// The tile registers of a thread.
static _Thread_local struct {
  CFlashKernels_TileConfiguration shape;
  EmulatedTile tile[8];
} registers;

static void demand(int isAllowed) {
  if (!isAllowed)
    __builtin_trap();
}

static void configure(const CFlashKernels_TileConfiguration *shape) {
  demand(shape->palette == 1 && shape->startRow == 0);
  for (int i = 0; i < 8; i++)
    demand(shape->rows[i] <= 16 && shape->rowBytes[i] <= 64);
  memset(&registers, 0, sizeof registers);
  registers.shape = *shape;
}

static void release(void) { memset(&registers, 0, sizeof registers); }

static void zero(int tile) {
  demand(registers.shape.palette == 1);
  memset(&registers.tile[tile], 0, sizeof registers.tile[tile]);
}

static void load(int tile, const void *from, size_t stride) {
  zero(tile);
  for (size_t row = 0; row < registers.shape.rows[tile]; row++)
    memcpy(registers.tile[tile].byte[row], (const char *)from + row * stride,
           registers.shape.rowBytes[tile]);
}

static void store(int tile, void *to, size_t stride) {
  demand(registers.shape.palette == 1);
  for (size_t row = 0; row < registers.shape.rows[tile]; row++)
    memcpy((char *)to + row * stride, registers.tile[tile].byte[row],
           registers.shape.rowBytes[tile]);
}

// TDPBSSD: sum[m][n] += a[m][4 k + i] * b[k][4 n + i] over k and i.
static void dotSigned(int sum, int a, int b) {
  const CFlashKernels_TileConfiguration *shape = &registers.shape;
  demand(shape->palette == 1 && sum != a && sum != b && a != b);
  demand(shape->rows[sum] == shape->rows[a] && shape->rowBytes[a] == 4 * shape->rows[b] &&
         shape->rowBytes[sum] == shape->rowBytes[b]);
  for (int m = 0; m < shape->rows[sum]; m++)
    for (int n = 0; n < shape->rowBytes[sum] / 4; n++) {
      int32_t total;
      memcpy(&total, &registers.tile[sum].byte[m][4 * n], sizeof total);
      for (int k = 0; k < shape->rows[b]; k++)
        for (int i = 0; i < 4; i++)
          total += registers.tile[a].byte[m][4 * k + i] * registers.tile[b].byte[k][4 * n + i];
      memcpy(&registers.tile[sum].byte[m][4 * n], &total, sizeof total);
    }
}

#define TILE_CONFIGURE(shape) configure(shape)
#define TILE_RELEASE() release()
#define TILE_ZERO(tile) zero(tile)
#define TILE_LOAD(tile, from, stride) load(tile, from, stride)
#define TILE_STORE(tile, to, stride) store(tile, to, stride)
#define TILE_DOT_SIGNED(sum, a, b) dotSigned(sum, a, b)
#include "amx.h"

ON_TILES(CFlashKernels_emulated, Q8_0, q8_0)
ON_TILES(CFlashKernels_emulated, Q4_0, q4_0)
ON_TILES(CFlashKernels_emulated, MXFP4, mxfp4)
ON_TILES(CFlashKernels_emulated, Q4_K, q4_K)
ON_TILES(CFlashKernels_emulated, Q6_K, q6_K)

#pragma clang attribute pop
#endif
