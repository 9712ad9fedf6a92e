import type { KernelSource } from "../kernel-source.ts";

/** One row of a ring: the zero point, an input row, the zero point. A ring may be narrower than the row when no window reaches its end. */
const ringFill: KernelSource = {
  name: "ts_ring_fill",
  needs: [],
  portable: `TS_INL void ts_ring_fill(int8_t *row, const int8_t *src, int width, int channels, int left, int columns, int zero)
{
  const int taken = left + width < columns ? width : columns - left;
  if (src == NULL || taken <= 0) {
    memset(row, zero, (size_t)(columns * channels));
    return;
  }
  if (left > 0)
    memset(row, zero, (size_t)(left * channels));
  memcpy(row + left * channels, src, (size_t)(taken * channels));
  if (left + taken < columns)
    memset(row + (left + taken) * channels, zero, (size_t)((columns - left - taken) * channels));
}
`,
};

/** Rows with the padding that sliding kernels read instead of looking where the picture ends. */
export const RING_KERNELS: readonly KernelSource[] = [ringFill];
