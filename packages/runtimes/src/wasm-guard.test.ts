import { fail } from "@tessera/core/base/error";
import { expect, test } from "vitest";
import { makeGuard } from "./wasm-guard.ts";

/** A guard over a runtime that printed these lines when it threw. */
function guardWith(lines: readonly string[]) {
  let log: readonly string[] = [];
  const guard = makeGuard(() => {
    const taken = log;
    log = [];
    return taken;
  });
  const throwing = (error: unknown): Promise<never> =>
    guard.run("load the model", async () => {
      log = lines;
      throw error;
    });
  return { guard, throwing };
}

test("an error has the words of the exception and what was complained of in print, without who speaks", async () => {
  const { guard, throwing } = guardWith([
    "INFO: [environment.cc:36] Creating LiteRT environment with options",
    "ERROR: [model_load.cc:290] Variable tensors not yet supported.",
    "ERROR: Variable tensors not yet supported.",
  ]);
  await expect(throwing(new Error("ERROR: [./litert_model.h:101]\n└ ERROR: Failed to load."))).rejects.toMatchObject({
    code: "RUNTIME_FAILED",
    message: "Cannot load the model: Failed to load; Variable tensors not yet supported",
  });
  expect(guard.broken).toBe(false);
});

test("what was printed before a call is not blamed for it", async () => {
  let log = ["ERROR: earlier"];
  const guard = makeGuard(() => {
    const taken = log;
    log = [];
    return taken;
  });
  await expect(guard.run("run the model", () => Promise.reject(new Error("now")))).rejects.toThrow(/^Cannot run the model: now$/);
});

test("our own errors pass as they are and break nothing", async () => {
  const { guard, throwing } = guardWith([]);
  const ours = fail("DATA_MISSING", "Cannot run the model: input x was not fed");
  await expect(throwing(ours)).rejects.toBe(ours);
  expect(guard.broken).toBe(false);
});

test.each([
  ["a trap", Object.assign(new Error("unreachable"), { name: "RuntimeError" })],
  ["an exhausted stack", new RangeError("Maximum call stack size exceeded")],
  ["a number, as C++ throws it", 5_244_880],
  ["an error without words", new Error("")],
])("after %s nothing runs any more", async (_, error) => {
  const { guard, throwing } = guardWith([]);
  await expect(throwing(error)).rejects.toMatchObject({
    code: "RUNTIME_FAILED",
    message: expect.stringMatching(/^Cannot load.*: .+/),
  });
  expect(guard.broken).toBe(true);
  await expect(guard.run("run the model", async () => 1)).rejects.toThrow(/an earlier call broke the runtime/);
});
