/**
 * What every kernel stands on: types, memcpy and memset, the macros of the kernels. `TS_ROUNDING` is 2 (two roundings, as TensorFlow Lite for
 * Microcontrollers is built by default) unless the compiler is told 1.
 */
export const KERNEL_PRELUDE = `#include <stddef.h>
#include <stdint.h>
#if defined(__STDC_HOSTED__) && __STDC_HOSTED__
#include <string.h>
#else
/* Compilers may call these even without a library, so every program has them. */
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
#endif
#if defined(__ARM_FEATURE_DSP) && !defined(TS_NO_DSP)
#include <arm_acle.h>
#endif

#ifndef TS_ROUNDING
#define TS_ROUNDING 2
#endif
#if defined(__GNUC__) || defined(__clang__)
#define TS_INL static inline __attribute__((always_inline))
#define TS_FAR static __attribute__((noinline, unused))
#else
#define TS_INL static inline
#define TS_FAR static
#endif
/* Told to save bytes, compilers copy what is inlined all the same: then layers share instances. */
#if defined(__OPTIMIZE_SIZE__) && !defined(TS_SMALL)
#define TS_SMALL 1
#endif
/* ARMv6-M: eight registers for most instructions, and no product of 64 bits. */
#if defined(__thumb__) && !defined(__thumb2__) && !defined(TS_FEW_REGISTERS)
#define TS_FEW_REGISTERS 1
#endif
/* Small cores run out of registers when compilers load far ahead. */
#if defined(__GNUC__) && (defined(__arm__) || defined(__riscv))
#define TS_IN_ORDER __asm__ __volatile__("" ::: "memory");
#else
#define TS_IN_ORDER
#endif

/* Flags of kernels that sum: every sum with its bias is below 2^30 and no shift is negative; lo equals zero; every shift is
 * 1 to 22; no weight of a depthwise convolution is -128. */
#define TS_SUM_30BIT 1
#define TS_RELU 2
#define TS_SHIFT_MID 4
/* Of a row: ts_depthwise_begin was called, and its scratch is untouched. */
#define TS_BEGUN 8
#define TS_WEIGHTS_127 16
/* Rows of weights lie in pairs, four weights of the one and four of the other in turn; their number is even. */
#define TS_PAIRS 32

/* Shifts of negative numbers to the right are arithmetic, numbers are two's complement, int has 32 bits. */
typedef char ts_assert_shift[((-1 >> 1) == -1 && (-3 >> 1) == -2) ? 1 : -1];
typedef char ts_assert_int[(sizeof(int) == 4 && (int32_t)0xffffffffu == -1) ? 1 : -1];
`;
