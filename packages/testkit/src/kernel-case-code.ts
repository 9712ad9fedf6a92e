import type { CaseCode, CasePart } from "./kernel-driver.ts";

const SUMS = `const int32_t *bias = array(), *mult = array();
      const int8_t *shift = array();
      const int zero = number(), lo = number(), hi = number(), flags = number();`;

const WINDOW = `const int channels = number(), outputs = number(), kh = number(), kw = number(), stride = number(), dilation = number(), ow = number(), work = number();
      const int row_bytes = ((ow - 1) * stride + (kw - 1) * dilation + 1) * channels;
      const int8_t *x = odd(), *w = array();
      ${SUMS}
      const int8_t *rows[16];
      int8_t *y = (int8_t *)room((size_t)(ow * outputs) + 1) + 1, *scratch = work > 0 ? room((size_t)work) : NULL;
      for (int k = 0; k < kh; k++)
        rows[k] = x + k * row_bytes;`;

const SIDES = `const int a_step = number(), b_step = number(), count = number(), over = number();
      int8_t *a = odd(), *b = odd(), *y = over == 1 ? a : over == 2 ? b : room((size_t)count);
      const int a_zero = number(), b_zero = number(), zero = number(), lo = number(), hi = number();
      const int32_t m = number(), n = number(), o = number();
      const int ms = number(), ns = number(), os = number(), left = number();`;

const POOL = `const int valid = number(), width = number(), channels = number(), kh = number(), kw = number(), stride = number(), dilation = number(), left = number(), ow = number();
      const int count_padding = number(), zero = number(), lo = number(), hi = number();
      const int8_t *x = odd(), *rows[16];
      int8_t *y = room((size_t)(ow * channels));
      for (int k = 0; k < valid; k++)
        rows[k] = x + k * width * channels;`;

/** C of every kind of case by name. */
export const CASE_CODES = {
  pointwise: {
    kernels: ["ts_pointwise"],
    code: `const int pixels = number(), depth = number(), outputs = number();
      const int8_t *x = odd(), *w = array();
      ${SUMS}
      int8_t *y = (int8_t *)room((size_t)(pixels * outputs) + 1) + 1;
      ts_pointwise(x, pixels, depth, outputs, w, (depth + 3) & ~3, bias, mult, shift, zero, lo, hi, NULL, y, flags);
      give(y, (size_t)(pixels * outputs));`,
  },
  conv: {
    kernels: ["ts_conv_row"],
    code: `${WINDOW}
      ts_conv_row(rows, channels, kh, kw, stride, dilation, ow, outputs, w, (kh * kw * channels + 3) & ~3, bias, mult, shift, zero, lo, hi, scratch, y, flags);
      give(y, (size_t)(ow * outputs));`,
  },
  depthwise: {
    kernels: ["ts_depthwise_row"],
    code: `${WINDOW}
      ts_depthwise_row(rows, channels, outputs / channels, kh, kw, stride, dilation, ow, w, bias, mult, shift, zero, lo, hi, scratch, y, flags);
      give(y, (size_t)(ow * outputs));`,
  },
  add: {
    kernels: ["ts_add"],
    code: `${SIDES}
      ts_add(a, a_step, b, b_step, count, left >> 8, left & 255, a_zero, m, ms, b_zero, n, ns, o, os, zero, lo, hi, y);
      give(y, (size_t)count);`,
  },
  mul: {
    kernels: ["ts_mul"],
    code: `${SIDES}
      (void)n;
      (void)ns;
      (void)o;
      (void)os;
      (void)left;
      ts_mul(a, a_step, b, b_step, count, a_zero, b_zero, m, ms, zero, lo, hi, y);
      give(y, (size_t)count);`,
  },
  prelu: {
    kernels: ["ts_prelu"],
    code: `${SIDES}
      (void)o;
      (void)os;
      (void)left;
      ts_prelu(a, a_step, b, b_step, count, a_zero, b_zero, m, ms, n, ns, zero, lo, hi, y);
      give(y, (size_t)count);`,
  },
  extremum: {
    kernels: ["ts_maximum", "ts_minimum"],
    code: `const int a_step = number(), b_step = number(), count = number();
      const int8_t *a = odd(), *b = odd();
      int8_t *y = room((size_t)count);
      ts_maximum(a, a_step, b, b_step, count, y);
      give(y, (size_t)count);
      ts_minimum(a, a_step, b, b_step, count, y);
      give(y, (size_t)count);`,
  },
  table: {
    kernels: ["ts_table", "ts_table_u8"],
    code: `const int count = number();
      int8_t *x = odd();
      const int8_t *table = array();
      int8_t *y = room((size_t)count);
      ts_table_u8((const uint8_t *)x, count, table, y);
      give(y, (size_t)count);
      ts_table(x, count, table, x);
      give(x, (size_t)count);`,
  },
  maxPool: {
    kernels: ["ts_max_pool_row"],
    code: `${POOL}
      (void)kh;
      (void)zero;
      (void)count_padding;
      ts_max_pool_row(rows, valid, width, channels, kw, stride, dilation, left, ow, lo, hi, y);
      give(y, (size_t)(ow * channels));`,
  },
  averagePool: {
    kernels: ["ts_average_pool_row"],
    code: `${POOL}
      ts_average_pool_row(rows, valid, width, channels, kh, kw, stride, dilation, left, ow, count_padding, zero, lo, hi, y);
      give(y, (size_t)(ow * channels));`,
  },
  mean: {
    kernels: ["ts_mean"],
    code: `const int o0 = number(), r0 = number(), o1 = number(), r1 = number(), o2 = number();
      const int32_t less = number(), mult = number();
      const int shift = number(), zero = number(), lo = number(), hi = number();
      const int8_t *x = odd();
      int8_t *y = room((size_t)(o0 * o1 * o2));
      ts_mean(x, o0, r0, o1, r1, o2, less, mult, shift, zero, lo, hi, y);
      give(y, (size_t)(o0 * o1 * o2));`,
  },
  ring: {
    kernels: ["ts_ring_fill"],
    code: `const int width = number(), channels = number(), left = number(), columns = number(), zero = number(), none = number();
      const int8_t *x = odd();
      int8_t *row = room((size_t)(columns * channels));
      ts_ring_fill(row, none ? NULL : x, width, channels, left, columns, zero);
      give(row, (size_t)(columns * channels));`,
  },
} as const satisfies Record<string, CaseCode>;

/** A case and what it must give. */
export interface MadeCase {
  readonly name: keyof typeof CASE_CODES;
  readonly parts: readonly CasePart[];
  readonly wanted: Int8Array;
}
