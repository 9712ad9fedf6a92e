import { readFileSync } from "node:fs";
import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { sharedDir } from "@tessera/testkit/shared";
import { TINYSV_PUBLISHED, tinysvRows } from "@tessera/testkit/tinysv";
import { describe, expect, test } from "vitest";

const shared = sharedDir();

describe.skipIf(shared === undefined)("TinySV (needs ../shared)", () => {
  test("enrolled, scored and judged by our own code, has every accuracy, EER and AUC that is published, to 3 decimals", async () => {
    const folder = join(shared ?? "", "models/voice");
    const session = await (await ortNodeRuntime({ worker: false })).load(readFileSync(join(folder, "tinysv-dvector-256.onnx")));
    const rows = await tinysvRows(join(folder, "tinysv-data"), async (sample) =>
      toNumbers((await session.run(new Map([["mfcc", f32([1, 1, 49, 40], sample)]]))).get("dvector") as Tensor),
    );
    await session.close();
    expect(rows).toHaveLength(12);
    rows.forEach((row, i) => {
      const published = at(TINYSV_PUBLISHED, i);
      expect([row.enrolled, row.speaker]).toEqual([published.enrolled, published.speaker]);
      // What is published was rounded to four decimals.
      for (const figure of ["accuracy", "eer", "auc"] as const)
        expect(Math.abs(row[figure] - published[figure])).toBeLessThanOrEqual(5.1e-5);
    });
  });
});
