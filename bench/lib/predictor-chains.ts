import { seededRandom } from "@tessera/core/base/random";
import { type Model, tensorType } from "@tessera/core/graph/model";
import { float, makeNode } from "@tessera/core/graph/node";
import { countOf, f32, i64, type Tensor } from "@tessera/core/graph/tensor";
import { inferTypes } from "@tessera/core/ops/infer-types";

/** A network of a few like layers, whose time tells what such a layer costs. */
export interface Chain {
  readonly id: string;
  readonly model: Model;
}

/** Normal numbers, of which weights are made: how they repeat does not matter to speed. */
const POOL = ((random) => Array.from({ length: 4099 }, () => random.normal()))(seededRandom(7));

/** A network under construction: the value at its end, and its shape. */
class Builder {
  private readonly nodes: ReturnType<typeof makeNode>[] = [];
  private readonly constants = new Map<string, Tensor>();
  private count = 0;
  private readonly input: readonly number[];
  last = "x";
  channels: number;

  constructor(input: readonly number[]) {
    this.input = input;
    this.channels = input[1] ?? 1;
  }

  private noise(shape: readonly number[], size: number): string {
    const name = `c${this.count++}`;
    const values = new Float32Array(countOf(shape));
    for (let i = 0; i < values.length; i++) values[i] = size * (POOL[(i + this.count * 7) % POOL.length] as number);
    this.constants.set(name, f32(shape, values));
    return name;
  }

  op(op: string, more: readonly string[] = [], attributes = {}): string {
    const output = `v${this.count++}`;
    const inputs = [this.last, ...more];
    this.nodes.push(makeNode(op, { inputs, outputs: [output] }, { name: output, attributes }));
    this.last = output;
    return output;
  }

  conv(
    channels: number,
    options: { readonly k?: number; readonly group?: number; readonly stride?: number; readonly pad?: number } = {},
  ) {
    const { k = 1, group = 1, stride = 1, pad = (k - 1) >> 1 } = options;
    const per = this.channels / group;
    const weight = this.noise([channels, per, k, k], 1 / Math.sqrt(per * k * k));
    const attributes = { group, kernel_shape: [k, k], pads: [pad, pad, pad, pad], strides: [stride, stride] };
    this.op("Conv", [weight, this.noise([channels], 0.1)], attributes);
    this.channels = channels;
    return this;
  }

  relu() {
    this.op("Relu");
    return this;
  }

  /** @param size of the slopes: those above 1 are written in another way where PRelu is taken apart */
  prelu(size = 0.2) {
    this.op("PRelu", [this.noise([this.channels, 1, 1], size)]);
    return this;
  }

  line(channels: number, k: number, stride = 1) {
    const weight = this.noise([channels, this.channels, k], 1 / Math.sqrt(this.channels * k));
    const pad = (k - 1) >> 1;
    this.op("Conv", [weight, this.noise([channels], 0.1)], { kernel_shape: [k], pads: [pad, pad], strides: [stride] });
    this.channels = channels;
    return this;
  }

  add(other: string) {
    this.op("Add", [other]);
    return this;
  }

  dense(from: number, to: number) {
    this.op("Gemm", [this.noise([from, to], 1 / Math.sqrt(from)), this.noise([to], 0.1)]);
    return this;
  }

  shape(...to: readonly number[]) {
    const name = `c${this.count++}`;
    this.constants.set(name, i64([to.length], to));
    this.op("Reshape", [name]);
    return this;
  }

  lstm(from: number, hidden: number) {
    const size = 1 / Math.sqrt(from);
    this.op("LSTM", [this.noise([1, 4 * hidden, from], size), this.noise([1, 4 * hidden, hidden], size)], {
      hidden_size: hidden,
    });
    return this;
  }

  finish(id: string): Chain {
    const model: Model = {
      kind: "model",
      graph: {
        name: id,
        inputs: [{ name: "x", type: tensorType("float32", this.input) }],
        outputs: [{ name: this.last, type: tensorType("float32", undefined) }],
        nodes: this.nodes,
        constants: this.constants,
        types: new Map(),
      },
      domains: new Map(),
      metadata: new Map(),
      producer: { name: "", version: "" },
    };
    return { id, model: inferTypes(model) };
  }
}

const square = (c: number, s: number): Builder => new Builder([1, c, s, s]);

function repeat(builder: Builder, times: number, step: (b: Builder, i: number) => void): Builder {
  for (let i = 0; i < times; i++) step(builder, i);
  return builder;
}

/**
 * Networks of layers as face, voice and small vision networks have them, over sizes from a few to a few hundred channels. None of them is a model that
 * anybody trained.
 */
export function predictorChains(): readonly Chain[] {
  const chains: Chain[] = [];
  const add = (id: string, builder: Builder): void => {
    chains.push(builder.finish(id));
  };
  for (const [c, s] of [
    [8, 48],
    [12, 24],
    [16, 48],
    [32, 28],
    [40, 14],
    [64, 28],
    [128, 14],
    [256, 7],
    [512, 4],
  ] as const) {
    add(
      `1x1 ${c} ${s} x5`,
      repeat(square(c, s), 5, (b) => b.conv(c).relu()),
    );
    if (c <= 64)
      add(
        `3x3 ${c} ${s}`,
        repeat(square(c, s), 2, (b) => b.conv(c, { k: 3 }).relu()),
      );
    add(
      `dw ${c} ${s} x5`,
      repeat(square(c, s), 5, (b) => b.conv(c, { k: 3, group: c }).relu()),
    );
    add(
      `inverted ${c} ${s}`,
      repeat(square(c, s), 2, (b) => {
        const from = b.last;
        b.conv(c * 2)
          .relu()
          .conv(c * 2, { k: 3, group: c * 2 })
          .relu()
          .conv(c);
        b.add(from);
      }),
    );
    add(
      `prelu ${c} ${s}`,
      repeat(square(c, s), 3, (b) => b.conv(c).prelu().conv(c, { k: 3, group: c }).prelu()),
    );
    add(
      `norelu ${c} ${s}`,
      repeat(square(c, s), 3, (b) => b.conv(c, { k: 3, group: c }).conv(c)),
    );
  }
  for (const [c, s] of [
    [8, 96],
    [16, 120],
    [32, 56],
    [64, 56],
  ] as const) {
    add(`stem 3 to ${c} ${s}`, square(3, s).conv(c, { k: 3, stride: 2 }).relu());
    add(`stem 3 to ${c} ${s} dw`, square(3, s).conv(c, { k: 3, stride: 2 }).relu().conv(c, { k: 3, group: c }).relu());
    add(
      `down ${c} ${s}`,
      square(c, s)
        .conv(c, { k: 3, group: c, stride: 2 })
        .relu()
        .conv(c * 2)
        .relu(),
    );
  }
  add(
    "heads 64",
    repeat(square(64, 20), 4, (b, i) => b.conv(i % 2 === 0 ? 4 : 64, { k: 3 })),
  );
  add(
    "heads 16",
    repeat(square(16, 40), 6, (b, i) => b.conv(i % 2 === 0 ? 4 : 16)),
  );
  add(
    "heads 64 dw",
    repeat(square(64, 20), 6, (b, i) =>
      i % 2 === 0 ? b.conv(b.channels, { k: 3, group: b.channels }) : b.conv(i === 3 ? 10 : 64),
    ),
  );
  add("global dw 512", square(512, 7).conv(512, { k: 7, group: 512, pad: 0 }).conv(128));
  add("global dw 256", square(256, 8).conv(256, { k: 8, group: 256, pad: 0 }).conv(256));
  add(
    "keyword",
    new Builder([1, 1, 49, 10]).conv(64, { k: 5, stride: 2 }).relu().conv(64, { k: 3, group: 64 }).relu().conv(64).relu(),
  );
  for (const [c, length] of [
    [128, 4],
    [64, 16],
    [64, 100],
  ] as const)
    add(
      `line ${c} ${length}`,
      repeat(new Builder([1, c, length]), 4, (b) => b.line(c, 3).relu()),
    );
  add("line 1 to 256", new Builder([1, 1, 800]).line(256, 255, 128).line(64, 3).relu());
  for (const [c, s] of [
    [64, 28],
    [128, 14],
    [32, 48],
  ] as const)
    add(
      `steep prelu ${c}`,
      repeat(square(c, s), 3, (b) => b.conv(c).prelu(2).conv(c, { k: 3, group: c }).prelu(2)),
    );
  for (const n of [1, 3]) {
    add(
      `dense 512 x${n}`,
      repeat(new Builder([1, 512]), n, (b) => b.dense(512, 512)),
    );
    add(
      `dense 128 x${n}`,
      repeat(new Builder([1, 128]), n, (b) => b.dense(128, 128)),
    );
  }
  add("dense 4096", new Builder([1, 4096]).dense(4096, 128));
  for (const [c, s] of [
    [16, 48],
    [64, 28],
    [128, 14],
  ] as const) {
    add(
      `max pool ${c}`,
      repeat(square(c, s).conv(c), 3, (b) => b.op("MaxPool", [], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })).conv(c),
    );
    add(`average pool ${c}`, repeat(square(c, s).conv(c), 2, (b) => b.op("AveragePool", [], { kernel_shape: [2, 2] })).conv(c));
    add(
      `global pool ${c}`,
      (() => {
        const b = square(c, s).conv(c);
        b.op("GlobalAveragePool");
        return b.conv(c);
      })(),
    );
    add(
      `sigmoid ${c}`,
      repeat(square(c, s), 3, (b) => {
        b.conv(c);
        b.op("Sigmoid");
      }),
    );
    add(
      `residual ${c}`,
      repeat(square(c, s), 4, (b) => {
        const from = b.last;
        b.conv(c, { k: 3, group: c });
        b.add(from);
      }),
    );
    add(
      `transpose ${c}`,
      repeat(square(c, s).conv(c), 1, (b) => {
        b.op("Transpose", [], { perm: [0, 2, 3, 1] });
        b.shape(1, s * s, c);
      }),
    );
    add(
      `leaky ${c}`,
      repeat(square(c, s), 3, (b) => {
        b.conv(c);
        b.op("LeakyRelu", [], { alpha: float(0.1) });
      }),
    );
    add(
      `softmax ${c}`,
      (() => {
        const b = square(c, s).conv(c);
        b.op("Softmax", [], { axis: 1 });
        return b;
      })(),
    );
    add(
      `concat ${c}`,
      repeat(square(c, s), 2, (b) => {
        const from = b.conv(c).last;
        b.conv(c).op("Concat", [from], { axis: 1 });
        b.channels = 2 * c;
        b.conv(c);
      }),
    );
    add(
      `grouped ${c}`,
      repeat(square(c, s), 2, (b) => b.conv(c, { k: 3, group: 4 }).relu()),
    );
  }
  add("lstm 5 64", new Builder([50, 1, 5]).lstm(5, 64));
  add("lstm 128", new Builder([50, 1, 128]).lstm(128, 128));
  add("lstm 128 one", new Builder([1, 1, 128]).lstm(128, 128));
  return chains;
}
