import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, isTesseraError } from "@tessera/core/base/error";
import { emitC } from "@tessera/core/codegen/c/emit";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import { scheduleDevice } from "@tessera/core/codegen/device/schedule-device";
import { removeDeadChannels } from "@tessera/core/codegen/prune/remove-dead";
import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { readTflite } from "@tessera/core/formats/tflite/read";
import type { Runtime, Session } from "@tessera/core/graph/runtime";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import { BOARDS } from "../mcu-lab/boards.ts";
import { callBytes } from "../mcu-lab/build-and-run.ts";
import { emittedCalls } from "../mcu-lab/emitted-calls.ts";
import { findToolchain } from "../mcu-lab/toolchains.ts";
import { buildHost } from "./build-host.ts";
import { startHostProcess } from "./host-process.ts";
import { nativeSession } from "./native-session.ts";

/** Options of {@link nativeCRuntime}. */
export interface NativeCOptions {
  /** What the compiler is told; ["-O2"] unless given. */
  readonly flags?: readonly string[];
  /** The compiler is ended after this time; 120,000 unless given. */
  readonly timeoutMs?: number;
}

/** What {@link NativeCOptions} leave out. */
export const NATIVE_C_DEFAULTS = { flags: ["-O2"], timeoutMs: 120_000 } as const satisfies NativeCOptions;

/** A file's program, and which of its inputs and outputs have their channels last in the file. */
function deviceOf(bytes: Uint8Array): { readonly program: DeviceProgram; readonly channelsLast: ReadonlySet<string> } {
  const { model, plan, moved } = raiseTflite(readTflite(bytes));
  if (plan === undefined) throw fail("UNSUPPORTED_OP", "the file has no integer quantization");
  const pruned = removeDeadChannels(model, plan);
  const program = lowerToDevice(compileInteger(pruned.model, pruned.plan, { profile: "tflm-double" }));
  return { program, channelsLast: new Set(moved) };
}

/** As {@link deviceOf}; what stands in the way becomes the runtime's refusal. */
function lowered(bytes: Uint8Array): ReturnType<typeof deviceOf> {
  try {
    return deviceOf(bytes);
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    throw fail("RUNTIME_FAILED", `Cannot run the model as C for microcontrollers: ${error.message}`, {
      cause: error,
      hint: error.hint,
    });
  }
}

/**
 * The C that `tessera mcu` writes, built by this machine's own compiler, as a {@link Runtime} called "native-c": what a microcontroller computes, bit for
 * bit, fast enough for data sets. Reads quantized .tflite files; sessions have inputs and outputs in the file's order of axes, in integers with their
 * `encodings`. Load options are ignored: one thread, nothing to optimize. @throws RUNTIME_MISSING when there is no C compiler;
 * RUNTIME_FAILED by `load` for a model that no device computes in integers
 *
 * @example
 * const session = await (await nativeCRuntime()).load(tfliteBytes);
 * const outputs = await session.run(new Map([["input", tensor("int8", [1, 96, 96, 3], pixels)]]));
 * await session.close();
 */
export async function nativeCRuntime(options: NativeCOptions = {}): Promise<Runtime> {
  const { flags, timeoutMs } = { ...NATIVE_C_DEFAULTS, ...options };
  const tools = await findToolchain(BOARDS.x86);
  if (tools.kind === "absent") throw fail("RUNTIME_MISSING", `Cannot start native-c: ${tools.reason}`);
  const { compiler } = tools;
  return {
    id: "native-c",
    version: compiler.version,
    formats: ["tflite"],
    async load(bytes): Promise<Session> {
      const { program, channelsLast } = lowered(bytes);
      const emitted = emitC(program, scheduleDevice(program, { isa: "portable" }), { name: "model", isa: "portable" });
      const calls = emittedCalls(emitted);
      const dir = await mkdtemp(join(tmpdir(), "tessera-native-"));
      const remove = (): Promise<void> => rm(dir, { recursive: true, force: true });
      try {
        const built = await buildHost(emitted.files, calls, dir, { compiler, flags, timeoutMs });
        return nativeSession({
          program,
          channelsLast,
          child: startHostProcess(built.path, callBytes(calls).output),
          onClose: remove,
        });
      } catch (error) {
        await remove();
        throw error;
      }
    },
  };
}
