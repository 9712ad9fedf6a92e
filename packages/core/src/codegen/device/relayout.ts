import { fail } from "../../base/error.ts";
import { tensor as makeTensor, type Tensor, view } from "../../graph/tensor.ts";
import { placesOf, plainLayout } from "./layout.ts";
import type { DeviceLayout, DeviceProgram } from "./program.ts";

/** Memory of a device's value. */
export type DeviceData = Int8Array | Uint8Array | Int16Array | Int32Array;

function modelOf(program: DeviceProgram, name: string): DeviceLayout {
  const model = program.values.get(name)?.model;
  if (model === undefined)
    throw fail(
      "DATA_MISSING",
      `Cannot find "${name}" among inputs and outputs: there are ${[...program.inputs, ...program.outputs].join(", ")}`,
      {
        at: { tensor: name },
      },
    );
  return model;
}

/**
 * An input as the device takes it, from integers in the layout of the model: [1, C, H, W] becomes [H, W, C], uint8 becomes int8 less 128.
 *
 * @throws DATA_MISSING for a name that is no input; DTYPE_MISMATCH, SHAPE_MISMATCH for a tensor of another type or shape
 */
export function deviceInput(program: DeviceProgram, name: string, tensor: Tensor): Int8Array {
  const { dtype, shape, order } = modelOf(program, name);
  const at = { at: { tensor: name } };
  if (tensor.dtype !== dtype) throw fail("DTYPE_MISMATCH", `Cannot feed "${name}" with ${tensor.dtype}: it is ${dtype}`, at);
  if (tensor.shape.join() !== shape.join())
    throw fail("SHAPE_MISMATCH", `Cannot feed "${name}" with [${tensor.shape}]: it is [${shape}]`, at);
  const data = dtype === "uint8" ? view(tensor, "uint8") : view(tensor, "int8");
  const shift = dtype === "uint8" ? 128 : 0;
  const places = placesOf(plainLayout(shape, order));
  const out = new Int8Array(data.length);
  for (let i = 0; i < out.length; i++) out[places[i] as number] = (data[i] as number) - shift;
  return out;
}

/** An output of the device as integers in the layout of the model. @throws DATA_MISSING for a name that is no output */
export function deviceOutput(program: DeviceProgram, name: string, data: DeviceData): Tensor {
  const { dtype, shape, order } = modelOf(program, name);
  const places = placesOf(plainLayout(shape, order));
  const picked = (out: Int8Array | Uint8Array | Int16Array, shift: number): typeof out => {
    for (let i = 0; i < out.length; i++) out[i] = (data[places[i] as number] as number) + shift;
    return out;
  };
  if (dtype === "int16") return makeTensor(dtype, shape, picked(new Int16Array(places.length), 0) as Int16Array);
  if (dtype === "uint8") return makeTensor(dtype, shape, picked(new Uint8Array(places.length), 128) as Uint8Array);
  return makeTensor("int8", shape, picked(new Int8Array(places.length), 0) as Int8Array);
}
