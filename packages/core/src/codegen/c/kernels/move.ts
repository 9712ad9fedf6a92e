import type { KernelSource } from "../kernel-source.ts";

/** One axis of a copy whose elements do not lie side by side; what does lie so is left to memcpy. */
const copy: KernelSource = {
  name: "ts_copy",
  needs: [],
  portable: `TS_INL void ts_copy(const int8_t *x, int x_step, int8_t *y, int y_step, int count, int bytes)
{
  if (x_step == 1 && y_step == 1) {
    memcpy(y, x, (size_t)(count * bytes));
    return;
  }
  for (int i = 0; i < count; i++, x += x_step * bytes, y += y_step * bytes)
    memcpy(y, x, (size_t)bytes);
}
`,
};

const gather: KernelSource = {
  name: "ts_gather",
  needs: [],
  portable: `TS_INL void ts_gather(const int8_t *x, int outer, int depth, int run, const uint16_t *indices, int count, int8_t *y)
{
  for (int i = 0; i < outer; i++, x += depth * run) {
    for (int j = 0; j < count; j++, y += run)
      memcpy(y, x + indices[j] * run, (size_t)run);
  }
}
`,
};

/** Where an output coordinate falls between two inputs, in 1/1024: `positions` of interp/integer/pool.ts. */
const between: KernelSource = {
  name: "ts_between",
  needs: [],
  portable: `TS_INL int ts_between(int i, int size, int out_size, int align_corners, int half_pixel, int *lower, int *upper)
{
  const int ratio = align_corners && out_size > 1 ? (1024 * (size - 1) + (out_size - 1) / 2) / (out_size - 1) : (1024 * size + out_size / 2) / out_size;
  const int at = half_pixel ? i * ratio + ratio / 2 - 512 : i * ratio;
  const int last = (at + 1023) / 1024;
  *lower = at < 0 ? 0 : at / 1024 < size ? at / 1024 : size - 1;
  *upper = last < size ? last : size - 1;
  return at - 1024 * *lower;
}
`,
};

const resizeBilinear: KernelSource = {
  name: "ts_resize_bilinear",
  needs: ["ts_between"],
  portable: `TS_INL void ts_resize_bilinear(const int8_t *x, int height, int width, int channels, int out_height, int out_width, int align_corners, int half_pixel, int8_t *y)
{
  for (int i = 0; i < out_height; i++) {
    int top, bottom, left, right;
    const int fy = ts_between(i, height, out_height, align_corners, half_pixel, &top, &bottom);
    for (int j = 0; j < out_width; j++) {
      const int fx = ts_between(j, width, out_width, align_corners, half_pixel, &left, &right);
      const int8_t *a = x + (top * width + left) * channels, *b = x + (top * width + right) * channels;
      const int8_t *c = x + (bottom * width + left) * channels, *d = x + (bottom * width + right) * channels;
      for (int k = 0; k < channels; k++) {
        const int32_t upper = (1024 - fx) * a[k] + fx * b[k], lower = (1024 - fx) * c[k] + fx * d[k];
        const int32_t sum = (1024 - fy) * upper + fy * lower;
        *y++ = (int8_t)((sum > 0 ? sum + 524288 : sum - 524288) / 1048576);
      }
    }
  }
}
`,
};

/** Kernels that move integers, or stretch pictures of them. */
export const MOVE_KERNELS: readonly KernelSource[] = [copy, gather, between, resizeBilinear];
