import { seededRandom } from "@tessera/core/base/random";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import { deviceInput, deviceOutput } from "@tessera/core/codegen/device/relayout";
import { runDevice } from "@tessera/core/codegen/device/run";
import type { Feeds } from "@tessera/core/graph/runtime";
import { countOf, fromNumbers, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import type { IntegerProgram } from "@tessera/core/interp/integer/program";
import { runInteger } from "@tessera/core/interp/integer/run";

/** Outputs as plain lists, in the order of the program. */
export type Lists = readonly (readonly number[])[];

/** Random integers over the whole range for the inputs of a program, or of the names given. */
export function randomFeeds(program: IntegerProgram, seed: number, names: readonly string[] = program.inputs): Feeds {
  const random = seededRandom(seed);
  return new Map(
    names.map((name) => {
      const { dtype, shape } = program.values.get(name) ?? { dtype: "int8", shape: [] };
      const low = dtype === "uint8" ? 0 : -128;
      return [
        name,
        fromNumbers(
          dtype,
          shape,
          Array.from({ length: countOf(shape) }, () => low + random.int(256)),
        ),
      ] as const;
    }),
  );
}

/** Outputs of the integer interpreter. */
export function integerLists(program: IntegerProgram, feeds: Feeds): Lists {
  const made = runInteger(program, feeds, { io: "integer" });
  return program.outputs.map((name) => [...toNumbers(made.get(name) as Tensor)]);
}

/** Outputs of the device interpreter, in the layout of the model. */
export function deviceLists(device: DeviceProgram, feeds: Feeds): Lists {
  const made = runDevice(
    device,
    new Map(device.inputs.map((name) => [name, deviceInput(device, name, feeds.get(name) as Tensor)])),
  );
  return device.outputs.map((name) => [...toNumbers(deviceOutput(device, name, made.get(name) ?? new Int8Array()))]);
}
