import { seededRandom } from "@tessera/core/base/random";
import { lowerToDevice } from "@tessera/core/codegen/device/lower";
import type { DeviceProgram } from "@tessera/core/codegen/device/program";
import { deviceInput, deviceOutput } from "@tessera/core/codegen/device/relayout";
import { removeDeadChannels } from "@tessera/core/codegen/prune/remove-dead";
import { raiseTflite } from "@tessera/core/convert/tflite/raise";
import { readTflite } from "@tessera/core/formats/tflite/read";
import { compileInteger } from "@tessera/core/interp/integer/compile";
import type { IntegerProgram } from "@tessera/core/interp/integer/program";
import { runInteger } from "@tessera/core/interp/integer/run";

/** A model ready to be written as C, and the program that tells what is right. */
export interface DeviceModel {
  readonly device: DeviceProgram;
  /** The model as it came in, all channels there. */
  readonly reference: IntegerProgram;
  /** Integers before the last softmax, which then are an output too: they tell more than what the softmax makes of them. */
  readonly logits?: string;
  /** Channels that were removed. */
  readonly removed: number;
}

/** Reads a quantized .tflite file and lowers it. `logits`: also give out what goes into the last softmax. */
export function openDeviceModel(
  file: Uint8Array,
  options: { readonly dead: "keep" | "remove"; readonly logits: boolean },
): DeviceModel {
  const { model, plan } = raiseTflite(readTflite(file));
  if (plan === undefined) throw new Error("the model is not quantized");
  const profile = "tflm-double" as const;
  const plain = compileInteger(model, plan, { profile });
  const softmax = plain.steps.find((step) => step.kind === "softmax");
  const logits = options.logits ? softmax?.inputs[0] : undefined;
  const withLogits = (program: IntegerProgram): IntegerProgram =>
    logits === undefined ? program : { ...program, outputs: [...program.outputs, logits] };
  const reference = withLogits(plain);
  if (options.dead === "keep")
    return { device: lowerToDevice(reference), reference, removed: 0, ...(logits !== undefined && { logits }) };
  const pruned = removeDeadChannels(model, plan);
  const [before, after] = pruned.report.channels;
  return {
    device: lowerToDevice(withLogits(compileInteger(pruned.model, pruned.plan, { profile }))),
    reference,
    removed: before - after,
    ...(logits !== undefined && { logits }),
  };
}

/** Noise over the whole range of the inputs. */
export function deviceVectors({ device }: DeviceModel, count: number): Uint8Array[] {
  const bytes = device.inputs.reduce((sum, name) => sum + (device.values.get(name)?.bytes ?? 0), 0);
  return Array.from({ length: count }, (_, k) => {
    const random = seededRandom(k);
    return Uint8Array.from({ length: bytes }, () => random.int(256));
  });
}

/** What the interpreter of the integer program gives, as the device writes it. */
export function deviceExpected({ device, reference }: DeviceModel, vectors: readonly Uint8Array[]): Uint8Array[] {
  return vectors.map((vector) => {
    let at = 0;
    const feeds = new Map(
      device.inputs.map((name) => {
        const bytes = device.values.get(name)?.bytes ?? 0;
        const data = new Int8Array(vector.slice(at, at + bytes).buffer);
        at += bytes;
        return [name, deviceOutput(device, name, data)] as const;
      }),
    );
    const outputs = runInteger(reference, feeds, { io: "integer" });
    return Buffer.concat(
      device.outputs.map((name) => {
        const output = outputs.get(name);
        if (output === undefined) throw new Error(`there is no output ${name}`);
        return new Uint8Array(deviceInput(device, name, output).buffer);
      }),
    );
  });
}
