import { multiply, type Rounding } from "@tessera/core/interp/integer/multiplier";
import type { MadeCase } from "./kernel-case-code.ts";
import { type Dice, placed } from "./kernel-dice.ts";

/** Elements `step` apart, or one for all. */
function side(dice: Dice, count: number): { readonly step: number; readonly data: Int8Array } {
  const step = dice.of(1, 1, 1, 0, 3);
  return { step, data: dice.bytes((count - 1) * step + 1) };
}

/** Two operands, of which one may be a single number or lie in steps, and the output over one of them. */
export function elementwiseCase(dice: Dice, rule: Rounding): MadeCase {
  const count = dice.pick(1, 40);
  const [a, b] = [side(dice, count), side(dice, count)];
  const name = dice.of("add", "mul", "prelu", "extremum");
  const at = (of: typeof a, i: number) => of.data[i * of.step] as number;
  const each = (f: (p: number, q: number) => number) => Int8Array.from({ length: count }, (_, i) => f(at(a, i), at(b, i)));
  if (name === "extremum") {
    const wanted = Int8Array.from([...each(Math.max), ...each(Math.min)]);
    return { name, parts: [a.step, b.step, count, a.data, b.data], wanted };
  }
  const over = a.step === 1 && dice.pick(0, 2) === 0 ? 1 : b.step === 1 && dice.pick(0, 2) === 0 ? 2 : 0;
  const [za, zb, zero] = [dice.pick(-128, 127), dice.pick(-128, 127), dice.pick(-128, 127)];
  const clamp = dice.clamp();
  const isAdd = name === "add";
  // Operands of Add never go to the left, and stay below 2^30.
  const by = Array.from({ length: 3 }, () => ({
    value: dice.multiplier(),
    shift: isAdd ? -dice.pick(0, 12) : dice.pick(-12, dice.of(0, 3)),
  }));
  const [m, n, o] = [dice.pick(0, 1) === 0 && isAdd ? { value: 2 ** 30, shift: 0 } : by[0], by[1], by[2]] as [
    (typeof by)[0],
    (typeof by)[0],
    (typeof by)[0],
  ];
  const left = isAdd ? dice.of(20, 20, 15, 0, 1) : 0;
  const subtract = dice.pick(0, 1);
  const wanted = each((p, q) => {
    const [u, v] = [p - za, q - zb];
    if (name === "mul") return placed(multiply(u * v, m, rule), zero, clamp);
    if (name === "prelu") return placed(u >= 0 ? multiply(u, m, rule) : multiply(u * v, n, rule), zero, clamp);
    const [s, t] = [multiply(u * 2 ** left, m, rule), multiply(v * 2 ** left, n, rule)];
    return placed(multiply(subtract === 1 ? s - t : s + t, o, rule), zero, clamp);
  });
  const numbers = [za, zb, zero, ...clamp, m.value, n.value, o.value, -m.shift, -n.shift, -o.shift, left + 256 * subtract];
  return { name, parts: [a.step, b.step, count, over, a.data, b.data, ...numbers], wanted };
}

/** A table, over its operand too. */
export function tableCase(dice: Dice): MadeCase {
  const count = dice.pick(1, 50);
  const [x, table] = [dice.bytes(count), dice.bytes(256)];
  const wanted = Int8Array.from([...x.map((q) => table[q & 255] as number), ...x.map((q) => table[q + 128] as number)]);
  return { name: "table", parts: [count, x, table], wanted };
}

/** One row of a pool, at the border too. */
export function poolCase(dice: Dice): MadeCase {
  const name = dice.of("maxPool", "averagePool");
  const [kh, kw, stride, dilation] = [
    dice.pick(1, 5),
    dice.of(dice.pick(1, 5), dice.pick(1, 5), 300),
    dice.pick(1, 3),
    dice.of(1, 2),
  ];
  const wide = kw === 300 ? dice.pick(580, 620) : dice.pick(1, 12);
  const channels = kw === 300 ? dice.pick(1, 9) : dice.pick(1, 37);
  const valid = dice.pick(1, kh);
  const left = Math.min(dice.pick(0, 2), (kw - 1) * dilation);
  const reach = (kw - 1) * dilation + 1;
  const ow = Math.max(1, Math.min(10, Math.floor((wide + left - reach) / stride) + 1));
  const counted = dice.pick(0, 1);
  const zero = dice.pick(-128, 127);
  const clamp = dice.clamp();
  const x = dice.bytes(valid * wide * channels);
  const wanted = new Int8Array(ow * channels);
  for (let p = 0; p < ow; p++)
    for (let c = 0; c < channels; c++) {
      const inside: number[] = [];
      for (let r = 0; r < valid; r++)
        for (let t = 0; t < kw; t++) {
          const at = p * stride - left + t * dilation;
          if (at >= 0 && at < wide) inside.push(x[(r * wide + at) * channels + c] as number);
        }
      const size = counted === 1 ? kh * kw : inside.length;
      const sum = inside.reduce((s, v) => s + v, counted === 1 ? (size - inside.length) * zero : 0);
      const mean = Math.trunc((sum + (sum > 0 ? Math.floor(size / 2) : -Math.floor(size / 2))) / size);
      wanted[p * channels + c] = placed(name === "maxPool" ? Math.max(...inside) : mean, 0, clamp);
    }
  return { name, parts: [valid, wide, channels, kh, kw, stride, dilation, left, ow, counted, zero, ...clamp, x], wanted };
}

/** A mean over up to two axes. */
export function meanCase(dice: Dice, rule: Rounding): MadeCase {
  const [o0, r0, o1, r1, o2] = [
    dice.pick(1, 3),
    dice.pick(1, 5),
    dice.of(1, dice.pick(1, 12)),
    dice.of(1, dice.pick(1, 40)),
    dice.of(1, dice.pick(1, 19)),
  ] as const;
  const x = dice.bytes(o0 * r0 * o1 * r1 * o2);
  const by = { value: dice.multiplier(), shift: dice.pick(-12, 2) };
  const less = dice.pick(-2000, 2000);
  const zero = dice.pick(-128, 127);
  const clamp = dice.clamp();
  const wanted = Int8Array.from({ length: o0 * o1 * o2 }, (_, i) => {
    const [k, j, g] = [i % o2, Math.floor(i / o2) % o1, Math.floor(i / o2 / o1)];
    let sum = -less;
    for (let a = 0; a < r0; a++) for (let b = 0; b < r1; b++) sum += x[(((g * r0 + a) * o1 + j) * r1 + b) * o2 + k] as number;
    return placed(multiply(sum, by, rule), zero, clamp);
  });
  return { name: "mean", parts: [o0, r0, o1, r1, o2, less, by.value, -by.shift, zero, ...clamp, x], wanted };
}

/** One row of a ring. */
export function ringCase(dice: Dice): MadeCase {
  const [width, channels, left] = [dice.pick(1, 20), dice.pick(1, 20), dice.pick(0, 3)];
  const columns = Math.max(1, left + width + dice.pick(-3, 3));
  const none = dice.pick(0, 4) === 0;
  const zero = dice.pick(-128, 127);
  const x = dice.bytes(width * channels);
  const wanted = Int8Array.from({ length: columns * channels }, (_, i) => {
    const at = Math.floor(i / channels) - left;
    return none || at < 0 || at >= width ? zero : (x[at * channels + (i % channels)] as number);
  });
  return { name: "ring", parts: [width, channels, left, columns, zero, none ? 1 : 0, x], wanted };
}
