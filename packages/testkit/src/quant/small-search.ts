import { at } from "@tessera/core/base/assert";
import { seededRandom } from "@tessera/core/base/random";
import { allPairs } from "@tessera/core/biometrics/design";
import { embeddings, normaliseRows } from "@tessera/core/biometrics/similarity";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelFromOnnx, modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import { scaleChannels } from "@tessera/core/graph/quantize-channels";
import type { Feeds } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { interpRuntime } from "@tessera/core/interp/runtime";
import { equalizablePlaces, equalizingScales } from "@tessera/core/quant/equalize";
import { observeTensors } from "@tessera/core/quant/observe";
import { observeLargest } from "@tessera/core/quant/observe-largest";
import { placeIntegers } from "@tessera/core/quant/placement";
import { prepareForIntegers } from "@tessera/core/quant/prepare";
import { buildPoint, type PointMaterial, type Seen } from "@tessera/core/quant/search/build-point";
import { embeddingJudge } from "@tessera/core/quant/search/embedding-judge";
import type { SearchBench } from "@tessera/core/quant/search/engine";
import { measureSensitivity } from "@tessera/core/quant/sensitivity/measure";
import { ORT_X64 } from "@tessera/core/targets/ort";
import { smallModel, smallNode } from "../small-model.ts";

/** People of the small search, and pictures of each. */
const PEOPLE = 40;
const PICTURES = 3;
const SIZE = 6;
const FAR = 0.01;

function noise(seed: number, shape: readonly number[], scale: number): Tensor {
  const random = seededRandom(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return f32(
    shape,
    Float32Array.from({ length: count }, () => scale * random.normal()),
  );
}

/** A network of four layers on pictures of 6 x 6; its weights are drawn, and the channels of the second layer differ in range. */
function network(): Model {
  const spread = noise(2, [8, 1, 3, 3], 0.3);
  const values = Array.from(toNumbers(spread), (v, i) => v * (i % 18 < 9 ? 4 : 0.3));
  return smallModel({
    x: ["N", 3, SIZE, SIZE],
    nodes: [
      smallNode("Conv", "x w1 b1", "c1", { pads: [1, 1, 1, 1] }),
      smallNode("Relu", "c1", "r1"),
      smallNode("Conv", "r1 w2 b2", "c2", { pads: [1, 1, 1, 1], group: 8 }),
      smallNode("Relu", "c2", "r2"),
      smallNode("Conv", "r2 w3 b3", "c3"),
      smallNode("Flatten", "c3", "f"),
      smallNode("Gemm", "f w4 b4", "y", { transB: 1 }),
    ],
    constants: {
      w1: noise(1, [8, 3, 3, 3], 0.3),
      b1: noise(11, [8], 0.1),
      w2: f32([8, 1, 3, 3], values),
      b2: noise(12, [8], 0.1),
      w3: noise(3, [12, 8, 1, 1], 0.4),
      b3: noise(13, [12], 0.1),
      w4: noise(4, [16, 12 * SIZE * SIZE], 0.05),
      b4: noise(14, [16], 0.01),
    },
  });
}

/** Pictures in one batch: each person has a pattern, each picture some noise on it; now and then one has a bright spot, which stretches ranges. */
function pictures(seed: number, each: number): Feeds {
  const random = seededRandom(seed);
  const size = 3 * SIZE * SIZE;
  const data = new Float32Array(PEOPLE * each * size);
  for (let person = 0; person < PEOPLE; person++) {
    const pattern = toNumbers(noise(seed * 1000 + person, [size], 1));
    for (let i = 0; i < each; i++) {
      const from = (person * each + i) * size;
      for (let k = 0; k < size; k++) data[from + k] = (pattern[k] as number) + 0.55 * random.normal();
      if (random.int(20) === 0) data[from + random.int(size)] = 12;
    }
  }
  return new Map([["x", f32([PEOPLE * each, 3, SIZE, SIZE], data)]]);
}

/** A search on a small drawn network and drawn people, everything computed by the interpreter. */
export async function smallSearch(): Promise<{ readonly bench: SearchBench; readonly material: PointMaterial }> {
  const target = ORT_X64;
  const runtime = interpRuntime({ read: (bytes) => modelFromOnnx(bytes) });
  const open = (m: Model) => runtime.load(modelToOnnx(m));
  const model = prepareForIntegers(network(), target);
  const calibration = [pictures(7, 1)];
  const people = pictures(8, PICTURES);
  const design = allPairs(Int32Array.from({ length: PEOPLE * PICTURES }, (_, i) => Math.floor(i / PICTURES)));
  const views = new Map<boolean, Promise<Seen>>();
  const look = async (equalized: boolean): Promise<Seen> => {
    const places = equalizablePlaces(model, target);
    const channelScales = equalized
      ? equalizingScales(model, await observeLargest(model, places, calibration, { open }))
      : new Map();
    const scaled = scaleChannels(model, channelScales);
    const { activations } = placeIntegers(scaled, target);
    return { channelScales, observations: await observeTensors(scaled, activations, calibration, { open }) };
  };
  const material: PointMaterial = {
    model,
    target,
    reducedRange: false,
    evidence: { samples: PEOPLE, digest: "drawn" },
    seen: (equalize) => {
      const equalized = equalize !== false;
      const seen = views.get(equalized) ?? look(equalized);
      views.set(equalized, seen);
      return seen;
    },
  };
  const embed = async (m: Model): Promise<Float32Array> => {
    const session = await open(m);
    return Float32Array.from(toNumbers((await session.run(people)).get("y") as Tensor));
  };
  const judge = embeddingJudge(normaliseRows(embeddings(await embed(model), 16)), design, { far: FAR });
  const bench: SearchBench = {
    judge: async (point) => {
      const built = await buildPoint(point, material);
      return judge(normaliseRows(embeddings(await embed(applyPlan(built.model, built.plan)), 16)));
    },
    sensitivity: async (point) => {
      const { plan } = await buildPoint(point, material);
      const { groups, integer } = await measureSensitivity(model, plan, {
        target,
        apply: applyPlan,
        open,
        samples: () => [people],
        count: 1,
        judge: ({ data }) => judge(normaliseRows(embeddings(data, 16))),
      });
      return groups.map(({ name, op, nodes, tensors, alone = integer, reverted = integer }) => ({
        name,
        op,
        nodes,
        tensors,
        alone,
        whole: integer,
        without: reverted,
        nearPairs: integer.nearPairs,
        timeShare: 0.2,
      }));
    },
    rangesOf: async (point) => {
      const { plan } = await buildPoint(point, material);
      return new Map(
        [...plan.tensors].flatMap(([name, { dtype, scale, zeroPoint }]) => {
          const [step, zero] = [at(scale, 0), at(zeroPoint, 0)];
          return dtype === "uint8" ? [[name, { min: -zero * step, max: (255 - zero) * step }] as const] : [];
        }),
      );
    },
  };
  return { bench, material };
}
