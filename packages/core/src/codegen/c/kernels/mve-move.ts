import type { SpecialForms } from "../kernel-source.ts";

/** Rows of rings, 16 bytes at a time. */
export const MVE_MOVE: SpecialForms = {
  ts_ring_fill: {
    needs: ["ts_mve_bytes"],
    source: `TS_INL void ts_ring_fill(int8_t *row, const int8_t *src, int width, int channels, int left, int columns, int zero)
{
  const int taken = left + width < columns ? width : columns - left;
  if (src == NULL || taken <= 0) {
    ts_mve_fill(row, zero, columns * channels);
    return;
  }
  ts_mve_fill(row, zero, left * channels);
  ts_mve_copy(row + left * channels, src, taken * channels);
  ts_mve_fill(row + (left + taken) * channels, zero, (columns - left - taken) * channels);
}
`,
  },
};
