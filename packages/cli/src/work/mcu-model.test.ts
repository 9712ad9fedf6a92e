import { mcuFaults } from "@tessera/core/codegen/legality";
import { modelFromTflite, modelToTflite } from "@tessera/core/convert/tflite/bytes";
import { tensorType } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { inferTypes } from "@tessera/core/ops/infer-types";
import { targetById } from "@tessera/core/targets/table";
import { smallInt8 } from "@tessera/testkit/small-int8";
import { smallNode } from "@tessera/testkit/small-model";
import { describe, expect, test } from "vitest";
import { mcuSource } from "./mcu-model.ts";

const M4 = targetById("cortex-m4");
const { model, plan } = smallInt8();

/** The small network with its answer brought to unit length, in float. */
const normed = inferTypes({
  ...model,
  graph: {
    ...model.graph,
    nodes: [...model.graph.nodes, smallNode("LpNormalization", "y", "unit", { axis: 1, p: 2 })],
    outputs: [{ name: "unit", type: tensorType("float32", undefined) }],
  },
});

describe("a model on its way to a microcontroller", () => {
  test("loses a final norm that is taken in float, says so, and answers the integers before it", () => {
    const nodes: QuantPlan["nodes"] = new Map([["unit", { precision: "float32", reason: "8 bits lose cosine" }]]);
    const source = mcuSource({ model: normed, plan: { ...plan, nodes: withChoices(nodes) }, notes: [] });
    expect(source.model.graph.outputs.map((o) => o.name)).toEqual(["y"]);
    expect(source.model.graph.nodes.some((n) => n.op === "LpNormalization")).toBe(false);
    expect(source.notes).toEqual([expect.stringContaining("compare the integers of y by their cosine")]);
    expect(mcuFaults(source.model, source.plan, M4).faults).toEqual([]);
  });

  test("keeps a final norm that has integers of its own", () => {
    const tensors = new Map(plan.tensors).set("unit", { dtype: "int8", scale: [1 / 128], zeroPoint: [0], reason: "" });
    const source = mcuSource({ model: normed, plan: { ...plan, tensors, nodes: withChoices(new Map()) }, notes: [] });
    expect(source.model.graph.outputs.map((o) => o.name)).toEqual(["unit"]);
    expect(mcuFaults(source.model, source.plan, M4).program?.steps.at(-1)?.kind).toBe("l2Normalization");
  });

  test("computes in float what its file computes in float, though both sides have integers", () => {
    const nodes = new Map([["p", { precision: "float32" as const, reason: "kept by the user" }]]);
    const file = modelFromTflite(modelToTflite(model, { plan: { ...plan, nodes } }));
    const { faults } = mcuFaults(mcuSource(file).model, mcuSource(file).plan, M4);
    expect(faults).toEqual([
      expect.objectContaining({ severity: "error", op: "ReduceMean", says: expect.stringContaining("in float, as in the file") }),
    ]);
  });

  test("is brought to one sample at a time when asked, and keeps its sizes otherwise", () => {
    const batched = mcuSource({ model, plan: { ...plan, nodes: withChoices(new Map()) }, notes: [] }, { batch: 1 });
    expect(batched.notes).toEqual(["brought to 1 sample at a time"]);
    expect(mcuFaults(batched.model, batched.plan, M4).faults).toEqual([]);
  });

  test("says of notes that differ in names the first, and how many more there are", () => {
    const notes = ["Bias a loses digits: 1 of 4", "something else", "Bias b loses digits: 2 of 4"];
    expect(mcuSource({ model, plan: undefined, notes }).notes).toEqual([
      "Bias a loses digits: 1 of 4; and 1 more like it",
      "something else",
    ]);
  });
});

/** Choices for every node of the small network, as raising a file gives them. */
function withChoices(others: QuantPlan["nodes"]): QuantPlan["nodes"] {
  const integer = { precision: "int8", reason: "as in the file" } as const;
  return new Map([...normed.graph.nodes.map((n) => [n.name, integer] as const), ...others]);
}
