import { seededRandom } from "@tessera/core/base/random";
import { lowerOnnx } from "@tessera/core/convert/onnx/lower";
import { raiseOnnxReported } from "@tessera/core/convert/onnx/raise";
import { UPGRADES } from "@tessera/core/convert/onnx/upgrades/table";
import { writeOnnx } from "@tessera/core/formats/onnx/write";
import type { Tensor } from "@tessera/core/graph/tensor";
import { describe, expect, test, vi } from "vitest";
import { oldFile, type ShapeKnowledge } from "./old-file.ts";
import { largestDifference, runPlain } from "./run-plain.ts";
import { UPGRADE_CASES } from "./upgrade-cases.ts";

const spies = UPGRADES.map((row) => ({ row, spy: vi.spyOn(row, "upgrade") }));
const KNOWLEDGE: readonly ShapeKnowledge[] = ["static", "symbolic", "none"];

describe("a raised node computes what onnxruntime computes from the old one", () => {
  for (const [number, upgradeCase] of UPGRADE_CASES.entries()) {
    test(upgradeCase.says, async () => {
      const random = seededRandom(number + 1);
      for (const opset of upgradeCase.opsets) {
        for (const knowledge of KNOWLEDGE) {
          if (knowledge === "none" && upgradeCase.needsShapes !== undefined) continue;
          for (let draw = 0; draw < 4; draw++) {
            const old = upgradeCase.make(random, opset);
            const record = oldFile(old, { opset, knowledge });
            const { model } = raiseOnnxReported(record);
            const feeds = new Map(Object.entries(old.feeds));
            const before = await runPlain(writeOnnx(record), feeds);
            const after = await runPlain(writeOnnx(lowerOnnx(model)), feeds);
            expect([...after.keys()]).toEqual([...before.keys()]);
            for (const [name, tensor] of before) {
              if (upgradeCase.uncompared?.includes(name)) continue;
              const what = `${name} at opset ${opset}, shapes ${knowledge}: ${JSON.stringify([...(old.nodes[0]?.attributes ?? [])])}`;
              expect(largestDifference(tensor, after.get(name) as Tensor), what).toBeLessThanOrEqual(upgradeCase.tolerance ?? 0);
            }
          }
        }
      }
    });
  }

  test("and no row of the table was left out", () => {
    const idle = spies.filter(({ spy }) => spy.mock.calls.length === 0).map(({ row }) => `${row.op} ${row.until}`);
    expect(idle).toEqual([]);
  });
});
