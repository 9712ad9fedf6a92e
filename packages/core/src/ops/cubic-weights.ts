/** Weights of the four cells around a point that lies `t` behind the second of them (0 <= t < 1): Keys' cubic convolution with parameter `a`. */
export function cubicWeights(t: number, a: number): number[] {
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}
