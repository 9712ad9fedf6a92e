/**
 * C of a function that gives the cosine of two int8 vectors in 1/32768. The product of the squared lengths is scaled to 63 or 64 bits by an even
 * shift before its root is taken, so that the root has 32 bits and the result is right to the last one; root and quotient are found bit by bit, which
 * needs no division of 64 bits.
 */
export function cosineText(name: string, { count, zero }: { readonly count: number; readonly zero: number }): string {
  return `int32_t ${name}(const int8_t *a, const int8_t *b)
{
  int64_t dot = 0;
  uint64_t aa = 0;
  uint64_t bb = 0;
  uint64_t square;
  uint64_t root = 0;
  uint64_t rest;
  int32_t cosine = 0;
  for (int i = 0; i < ${count}; i++) {
    const int32_t x = (int32_t)a[i] - (${zero});
    const int32_t y = (int32_t)b[i] - (${zero});
    dot += x * y;
    aa += (uint32_t)(x * x);
    bb += (uint32_t)(y * y);
  }
  if (aa == 0 || bb == 0)
    return 0;
  rest = dot < 0 ? (uint64_t)-dot : (uint64_t)dot;
  square = aa * bb;
  for (int i = 0; i < 31; i++)
    if ((square >> 62) == 0) {
      square <<= 2;
      rest <<= 1;
    }
  for (uint64_t bit = (uint64_t)1 << 31; bit != 0; bit >>= 1)
    if ((root + bit) * (root + bit) <= square)
      root += bit;
  for (int i = 0; i < 16; i++) {
    cosine *= 2;
    if (rest >= root) {
      rest -= root;
      cosine++;
    }
    rest <<= 1;
  }
  cosine += rest >= root ? 1 : 0;
  if (cosine > 32768)
    cosine = 32768;
  return dot < 0 ? -cosine : cosine;
}
`;
}
