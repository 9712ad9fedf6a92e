/* tiny_net: a quantized network as C99. Generated; do not edit. Outputs equal the profile tflm-double bit for bit. */
#ifndef TINY_NET_H
#define TINY_NET_H

#include <stdint.h>

/*
 * MISRA C:2012. No heap, no recursion, no variable-length arrays, no written globals, every loop bounded by constants. Deviations on purpose:
 *   Directive 4.6   int is used for sizes, counts and sums of a few bits: it has 32 bits on every target, which is checked at compile time.
 *   Directive 4.9   TS_PROFILE is a function-like macro so that it can be nothing.
 *   Rule 1.2        alignment, sections, always_inline and intrinsics are extensions, behind macros that can be defined as nothing.
 *   Rule 10.1, 12.1 numbers are shifted to the right with their sign, which is checked at compile time; products before sums carry no parentheses.
 *   Rule 10.3       intrinsics take and give words whose signedness is not that of the variables.
 *   Rule 11.3, 11.5 the arena is memory of no type, divided at generation time; every offset is a multiple of the alignment.
 *   Rule 15.5, 15.6 early returns, and bodies of a single line without braces.
 *   Rule 18.4       pointers move by addition: that is what kernels do.
 */

#ifdef __cplusplus
extern "C" {
#endif

#define TINY_NET_GENERATOR "tessera test"
/* SHA-256 of the model that this was made from; empty when nobody gave it. */
#define TINY_NET_MODEL_SHA256 "00ff"
/* Memory that the caller gives: read and written by every function below, nothing in it has to be set before, and it may be used otherwise after. */
#define TINY_NET_ARENA_BYTES 32
#define TINY_NET_ARENA_ALIGNMENT 16
/* Numbers that TS_PROFILE is called with: 0 to LAYERS - 1 where the work of that layer begins or goes on, LAYERS where none goes on. */
#define TINY_NET_LAYERS 3
#define TINY_NET_MACS 48

/* real = (integer - ZERO_POINT) * SCALE. Shapes are in the order of memory; pictures are height, width, channels. */
/* in put */
#define TINY_NET_INPUT_TYPE int8_t
#define TINY_NET_INPUT_BYTES 12
#define TINY_NET_INPUT_COUNT 12
#define TINY_NET_INPUT_RANK 3
#define TINY_NET_INPUT_SHAPE {2, 3, 2}
#define TINY_NET_INPUT_SCALE 0.0500000007f
#define TINY_NET_INPUT_ZERO_POINT (-3)

/* out_/ */
#define TINY_NET_OUTPUT_TYPE int8_t
#define TINY_NET_OUTPUT_BYTES 12
#define TINY_NET_OUTPUT_COUNT 12
#define TINY_NET_OUTPUT_RANK 3
#define TINY_NET_OUTPUT_SHAPE {2, 3, 2}
#define TINY_NET_OUTPUT_SCALE 0.0500000007f
#define TINY_NET_OUTPUT_ZERO_POINT (-3)

/* Where the input goes before each run; its memory is used again during the run. */
int8_t *tiny_net_input(void *arena);

/* Computes the outputs from the inputs. Returns 0; 1 for a misaligned arena. */
int tiny_net_run(void *arena);

/* Where the output lies after a run, until the next one. */
const int8_t *tiny_net_output(const void *arena);

/* Overwrites the arena with zeros, also where a compiler sees no use for it: inputs and outputs of a biometric network are secrets. */
void tiny_net_wipe(void *arena);

/* Holds all constants against their CRC-32, which finds damaged flash, then runs a built-in input and compares all outputs with those that
   were computed at generation time, which finds wrong compilers. Returns 0 when all is well; -1 for damaged constants, 1 for a misaligned
   arena, another number for wrong outputs. */
int tiny_net_self_test(void *arena);

#ifdef __cplusplus
}
#endif

#endif
