import { type Random, seededRandom } from "@tessera/core/base/random";
import { lowerOnnx } from "@tessera/core/convert/onnx/lower";
import { raiseOnnx } from "@tessera/core/convert/onnx/raise";
import { UPGRADES } from "@tessera/core/convert/onnx/upgrades/table";
import { writeOnnx } from "@tessera/core/formats/onnx/write";
import type { Tensor } from "@tessera/core/graph/tensor";
import { inferGraph } from "@tessera/core/ops/infer";
import { describe, expect, test, vi } from "vitest";
import { oldFile, type ShapeKnowledge } from "./old-file.ts";
import { largestDifference, runPlain } from "./run-plain.ts";
import { UNCHANGED_CASES } from "./unchanged-cases.ts";
import { UPGRADE_CASES, type UpgradeCase } from "./upgrade-cases.ts";

const KNOWLEDGE: readonly ShapeKnowledge[] = ["static", "symbolic", "none"];

/**
 * Holds the upgrade table to what onnxruntime computes from old nodes, with `draws` random forms of each case for each opset and each degree of
 * knowledge about shapes; and the cases to the table: every row must have been used.
 */
export function upgradeSuite(options: { readonly draws: number; readonly seed: number }): void {
  describe("a raised node computes what onnxruntime computes from the old one", () => {
    const spies = UPGRADES.map((row) => ({ row, spy: vi.spyOn(row, "upgrade") }));

    for (const [number, upgradeCase] of [...UPGRADE_CASES, ...UNCHANGED_CASES].entries()) {
      test(upgradeCase.says, async () => {
        const random = seededRandom(options.seed + number);
        for (const opset of upgradeCase.opsets) {
          for (const knowledge of KNOWLEDGE) {
            if (knowledge === "none" && upgradeCase.needsShapes !== undefined) continue;
            for (let draw = 0; draw < options.draws; draw++) await compareOnce(upgradeCase, random, { opset, knowledge });
          }
        }
      });
    }

    test("and no row of the table was left out", () => {
      const idle = spies.filter(({ spy }) => spy.mock.calls.length === 0).map(({ row }) => `${row.op} ${row.until}`);
      expect(idle).toEqual([]);
    });
  });
}

async function compareOnce(
  upgradeCase: UpgradeCase,
  random: Random,
  form: { readonly opset: number; readonly knowledge: ShapeKnowledge },
): Promise<void> {
  const old = upgradeCase.make(random, form.opset);
  const record = oldFile(old, form);
  const feeds = new Map(Object.entries(old.feeds));
  const before = await runPlain(writeOnnx(record), feeds);
  const model = raiseOnnx(record);
  // The runtime forgives what the canonical opset does not know any more; the operator table does not.
  expect(inferGraph(model.graph).problems).toEqual([]);
  const after = await runPlain(writeOnnx(lowerOnnx(model)), feeds);
  expect([...after.keys()]).toEqual([...before.keys()]);
  for (const [name, tensor] of before) {
    if (upgradeCase.uncompared?.includes(name)) continue;
    const what = `${name} at opset ${form.opset}, shapes ${form.knowledge}: ${JSON.stringify([...(old.nodes[0]?.attributes ?? [])])}`;
    expect(largestDifference(tensor, after.get(name) as Tensor), what).toBeLessThanOrEqual(upgradeCase.tolerance ?? 0);
  }
}
