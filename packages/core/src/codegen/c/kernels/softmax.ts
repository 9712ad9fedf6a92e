import type { KernelSource } from "../kernel-source.ts";

/**
 * Softmax of int8 on the grid 1/256 with zero point -128: runSoftmax of interp/integer/softmax.ts. Exponentials are computed anew for the sum and for the
 * outputs: a table of all differences would take 1 KB, more than this code. The sum has 2^19 or more, so it is shifted by 12 at most; depths below 8192.
 */
const softmax: KernelSource = {
  name: "ts_softmax",
  needs: ["ts_high", "ts_exp_negative", "ts_inverse_of_one_plus"],
  portable: `TS_FAR int32_t ts_softmax_exp(int difference, int32_t mult, int left)
{
  return ts_exp_negative(ts_high((int32_t)((uint32_t)difference << left), mult));
}
TS_INL void ts_softmax(const int8_t *x, int outer, int depth, int inner, int32_t mult, int left, int least, int8_t *scratch, int8_t *y)
{
  (void)scratch;
  for (int i = 0; i < outer * inner; i++) {
    const int at = i / inner * depth * inner + i % inner, end = at + depth * inner;
    int most = -128, over = 12;
    uint32_t sum = 0;
    int32_t scale;
    for (int j = at; j < end; j += inner)
      most = x[j] > most ? x[j] : most;
    for (int j = at; j < end; j += inner) {
      if (x[j] - most >= least)
        sum += ((uint32_t)ts_softmax_exp(x[j] - most, mult, left) + 2048u) >> 12;
    }
    for (; over > 0 && (sum >> 31) == 0; over--)
      sum <<= 1;
    scale = ts_inverse_of_one_plus((int32_t)(sum - 0x80000000u));
    for (int j = at; j < end; j += inner) {
      int32_t q = -128;
      /* From 512 equal values on each share rounds to nothing. */
      if (x[j] - most >= least && over <= 8) {
        const uint32_t share = (uint32_t)ts_high(scale, ts_softmax_exp(x[j] - most, mult, left));
        q += (int32_t)((share + (1u << (22 + over))) >> (23 + over));
      }
      y[j] = (int8_t)(q > 127 ? 127 : q);
    }
  }
}
`,
};

/** Softmax. */
export const SOFTMAX_KERNELS: readonly KernelSource[] = [softmax];
