import { emitC } from "@tessera/core/codegen/c/emit";
import type { EmittedC } from "@tessera/core/codegen/c/options";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { randomDeviceProgram } from "@tessera/testkit/device-programs";
import { describe, expect, it } from "vitest";
import { BOARDS } from "./boards.ts";
import { buildAndRun } from "./build-and-run.ts";
import type { ModelCalls } from "./test-program.ts";
import { findToolchain } from "./toolchains.ts";

const BOARD_IDS = ["x86", "m4"] as const;

/** A network that has constants of eight and of 32 bits. */
function network(name: string, seed: number): EmittedC {
  const program = randomDeviceProgram(seed);
  return emitC(program, scheduleDevice(program, { isa: "portable" }), { name, isa: "portable" });
}

/** What each expression gives, by one program that is made of all the files: a byte each. */
async function answers(board: (typeof BOARD_IDS)[number], models: readonly EmittedC[], expressions: readonly string[]) {
  const arenaBytes = Math.max(...models.map((m) => m.arenaBytes)) + 64;
  const files = new Map(models.flatMap(({ files: own }) => [...own]));
  files.set("all.h", `${models.map(({ header }) => `#include "${header}"`).join("\n")}\n#include <string.h>\n`);
  const at = arenaBytes - 48;
  const calls: ModelCalls = {
    header: "all.h",
    arenaBytes,
    arenaAlignment: 16,
    inputs: [],
    outputs: [{ pointer: `arena + ${at}`, bytes: expressions.length }],
    run: expressions.map((e, i) => `((int8_t *)arena)[${at + i}] = (int8_t)(${e});`).join("\n"),
  };
  const result = await buildAndRun({ files, calls, board, vectors: [new Uint8Array(0)] }, { flags: ["-O1"] });
  if (result.kind !== "run") throw new Error(JSON.stringify(result));
  expect(result.warnings).toBe("");
  return [...new Int8Array(result.outputs[0] as Uint8Array)];
}

/** The same network with one bit of one number of one of its constants changed, after generation. */
function damaged(model: EmittedC, symbol: RegExp): EmittedC {
  const file = `${model.name}_weights.c`;
  const text = model.files.get(file) as string;
  const changed = text.replace(new RegExp(`(${symbol.source}\\[\\d+\\] TS_CONSTANT = \\{\\n\\s*)(-?\\d+)`), (_, head, number) => {
    return `${head}${Number(number) ^ 1}`;
  });
  expect(changed).not.toBe(text);
  return { ...model, files: new Map(model.files).set(file, changed) };
}

for (const board of BOARD_IDS) {
  const tools = await findToolchain(BOARDS[board]);
  const reason = tools.kind === "absent" ? tools.reason : undefined;
  describe.skipIf(reason)(`generated C on ${BOARDS[board].title}${reason ? ` (skipped: ${reason})` : ""}`, () => {
    it("links networks of different kernels into one image, each right and each with its own memory to wipe", async () => {
      const models = [network("face", 1), network("liveness", 2)] as const;
      expect(models[0].kernels).not.toEqual(models[1].kernels);
      const names = models.flatMap(({ files }) => [...files.keys()]);
      expect(new Set(names).size).toBe(names.length);
      const last = (models[0].arenaBytes - 1).toString();
      const calls = [
        "face_self_test(arena)",
        "liveness_self_test(arena)",
        // A wipe reaches the last byte and no further.
        `(memset(arena, 7, ${last} + 2), face_wipe(arena), arena[0] | arena[${last}])`,
        `arena[${last} + 1]`,
        // An address that is not a multiple of the alignment is refused, not used.
        "face_run(arena + 1)",
        "face_self_test(arena + 1)",
      ];
      expect(await answers(board, models, calls)).toEqual([0, 0, 0, 7, 1, 1]);
    });

    it.each([
      ["a weight", /_w0/],
      ["a bias", /_b0/],
      ["a shift", /_s0/],
    ] as const)("finds one wrong bit of %s at boot", async (_, symbol) => {
      expect(await answers(board, [damaged(network("face", 1), symbol)], ["face_self_test(arena)"])).toEqual([-1]);
    });
  });
}
