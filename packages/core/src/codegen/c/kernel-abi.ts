/**
 * Prototypes of every kernel that emitted code calls: where the emitter and the kernels meet. All sizes are literal at the call.
 *
 * - `rows`: one pointer for each of the kernel's kh rows (dilation already taken), from a ring with halo columns: output column o reads columns
 *   o * stride + kx * dilation. Pool rows have no halo: `rows` are only the `valid_rows` inside the picture, `left` the padding.
 * - `w` rows are `pitch` bytes apart, a multiple of 4, filled with 0 behind their end; weights begin at multiples of 4. Activations have no alignment.
 * - `bias` is folded: bias - input zero * sum of weights, wrapped to int32. `shift`: to the right, negative to the left before the multiplication.
 * - `a_step`, `b_step`: elements by which an operand moves, 0 when it is one number for all.
 * - `scratch` has scratchBytes(step, isa) bytes, aligned to 16; NULL when that is 0. Outputs may be written over inputs by elementwise kernels only.
 * - `flags` of sums: TS_SUM_30BIT, TS_RELU, TS_SHIFT_MID, TS_WEIGHTS_127, TS_PAIRS, TS_BEGUN; see the prelude.
 * - Other operands of the header: `TS_INL`, `TS_ROUNDING` (2 or 1), ts_requant(sum, mult, shift).
 */
export const KERNEL_ABI = {
  ts_requant: "int32_t ts_requant(int32_t sum, int32_t mult, int shift)",
  ts_ring_fill: "void ts_ring_fill(int8_t *row, const int8_t *src, int width, int channels, int left, int columns, int zero)",
  ts_pointwise:
    "void ts_pointwise(const int8_t *x, int pixels, int depth, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)",
  /** Weights with a zero point: bias folded with + depth * input zero * weights zero too; the kernel takes weights_zero * sum(x) off. */
  ts_fully_connected:
    "void ts_fully_connected(const int8_t *x, int rows, int depth, int outputs, const int8_t *w, int pitch, int weights_zero, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)",
  /** pitch = kh * kw * channels rounded up to 4. */
  ts_conv_row:
    "void ts_conv_row(const int8_t *const *rows, int channels, int kh, int kw, int stride, int dilation, int out_width, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)",
  /** pitch = kh * kw * (channels / group) rounded up to 4. */
  ts_group_conv_row:
    "void ts_group_conv_row(const int8_t *const *rows, int channels, int group, int kh, int kw, int stride, int dilation, int out_width, int outputs, const int8_t *w, int pitch, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *y, int flags)",
  /** w: [kh * kw][channels * multiplier], no pitch. */
  ts_depthwise_row:
    "void ts_depthwise_row(const int8_t *const *rows, int channels, int multiplier, int kh, int kw, int stride, int dilation, int out_width, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int8_t *y, int flags)",
  /** May be called once before the rows of a layer, whose `flags` then have TS_BEGUN, when nobody else touches `scratch` in between. */
  ts_depthwise_begin:
    "void ts_depthwise_begin(int channels, int multiplier, int kh, int kw, int stride, int dilation, const int8_t *w, const int32_t *bias, const int32_t *mult, const int8_t *shift, int zero, int lo, int hi, int8_t *scratch, int flags)",
  ts_max_pool_row:
    "void ts_max_pool_row(const int8_t *const *rows, int valid_rows, int width, int channels, int kw, int stride, int dilation, int left, int out_width, int lo, int hi, int8_t *y)",
  ts_average_pool_row:
    "void ts_average_pool_row(const int8_t *const *rows, int valid_rows, int width, int channels, int kh, int kw, int stride, int dilation, int left, int out_width, int count_padding, int input_zero, int lo, int hi, int8_t *y)",
  ts_add:
    "void ts_add(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int subtract, int left, int a_zero, int32_t a_mult, int a_shift, int b_zero, int32_t b_mult, int b_shift, int32_t mult, int shift, int zero, int lo, int hi, int8_t *y)",
  ts_mul:
    "void ts_mul(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int a_zero, int b_zero, int32_t mult, int shift, int zero, int lo, int hi, int8_t *y)",
  ts_prelu:
    "void ts_prelu(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int a_zero, int b_zero, int32_t positive_mult, int positive_shift, int32_t negative_mult, int negative_shift, int zero, int lo, int hi, int8_t *y)",
  ts_maximum: "void ts_maximum(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int8_t *y)",
  ts_minimum: "void ts_minimum(const int8_t *a, int a_step, const int8_t *b, int b_step, int count, int8_t *y)",
  /** x of axes [o0, r0, o1, r1, o2], the r axes summed; less = input zero * values in a sum; y is [o0, o1, o2]. */
  ts_mean:
    "void ts_mean(const int8_t *x, int o0, int r0, int o1, int r1, int o2, int32_t less, int32_t mult, int shift, int zero, int lo, int hi, int8_t *y)",
  /** y = table[x + 128]. */
  ts_table: "void ts_table(const int8_t *x, int count, const int8_t *table, int8_t *y)",
  /** y = table[x]. */
  ts_table_u8: "void ts_table_u8(const uint8_t *x, int count, const int8_t *table, int8_t *y)",
  /** left >= 0: the differences' shift before the multiplication by mult. */
  ts_softmax:
    "void ts_softmax(const int8_t *x, int outer, int depth, int inner, int32_t mult, int left, int least, int8_t *scratch, int8_t *y)",
  ts_l2_normalization: "void ts_l2_normalization(const int8_t *x, int outer, int depth, int inner, int input_zero, int8_t *y)",
  ts_resize_bilinear:
    "void ts_resize_bilinear(const int8_t *x, int height, int width, int channels, int out_height, int out_width, int align_corners, int half_pixel, int8_t *y)",
  /** Elements of `bytes` (1, 2 or 4) bytes; steps are in elements. Runs that lie densely on both sides are copied by memcpy without it. */
  ts_copy: "void ts_copy(const int8_t *x, int x_step, int8_t *y, int y_step, int count, int bytes)",
  /** For each of `outer` blocks of depth * run bytes: y gets `count` runs of `run` bytes chosen by `indices`. */
  ts_gather: "void ts_gather(const int8_t *x, int outer, int depth, int run, const uint16_t *indices, int count, int8_t *y)",
  /**
   * gates: forget, input, cell, output (see LSTM_GATE). Biases are folded with both zero points. Rows of weights are input_pitch, of recurrent weights
   * hidden_pitch apart. cell_mult 3 << n and cell_shift: the argument of tanh as in interp/integer/lstm.ts. y: [time, hidden]. last_*: may be NULL. flags: TS_SUM_30BIT for the
   * sums of products with x, whatever the shifts.
   */
  ts_lstm:
    "void ts_lstm(const int8_t *x, int time, int inputs, int input_pitch, int hidden, int hidden_pitch, int hidden_zero, const ts_gate *gates, int32_t cell_mult, int cell_shift, int cell_clip, int32_t forget_mult, int forget_shift, int32_t input_mult, int input_shift, int32_t hidden_mult, int hidden_shift, int8_t *scratch, int8_t *y, int8_t *last_hidden, int16_t *last_cell, int flags)",
} as const satisfies Record<string, string>;

/** Name of a kernel that emitted code may call. */
export type KernelName = keyof typeof KERNEL_ABI;

/** One gate of ts_lstm; the emitter writes it into the kernels' header before the kernels. */
export const LSTM_GATE = `typedef struct ts_gate {
  const int8_t *weights;
  const int32_t *bias;
  int32_t mult;
  int32_t shift;
  const int8_t *recurrent;
  const int32_t *recurrent_bias;
  int32_t recurrent_mult;
  int32_t recurrent_shift;
} ts_gate;`;
