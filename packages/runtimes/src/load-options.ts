import { fail } from "@tessera/core/base/error";
import type { LoadOptions } from "@tessera/core/graph/runtime";

/** What {@link LoadOptions} leave out. */
export const LOAD_DEFAULTS = {
  threads: 1,
  parallel: false,
  optimization: "all",
  flushSubnormals: false,
} as const satisfies LoadOptions;

const KEYS = {
  threads: true,
  parallel: true,
  optimization: true,
  dims: true,
  flushSubnormals: true,
  externalData: true,
} as const satisfies Record<keyof LoadOptions, true>;

const LEVELS = { none: true, basic: true, extended: true, all: true } as const satisfies Record<
  NonNullable<LoadOptions["optimization"]>,
  true
>;

/** The error of a load option that cannot be. */
export function refuseLoad(why: string): Error {
  return fail("RUNTIME_FAILED", `Cannot load a model: ${why}`);
}

/** Load options that were checked, without symbolic dimensions: those were written into the model. */
export type CheckedOptions = Omit<LoadOptions, "dims">;

/** A model that is ready for the runtime. */
export interface PreparedModel {
  readonly bytes: Uint8Array;
  readonly options: CheckedOptions;
}

/**
 * Checks load options. Runtimes accept unknown names and silly values without a word, so this is the only check there is.
 * @throws RUNTIME_FAILED naming the option
 */
export function checkLoadOptions(loadOptions: LoadOptions): void {
  for (const key of Object.keys(loadOptions)) if (!Object.hasOwn(KEYS, key)) throw refuseLoad(`there is no load option "${key}"`);
  const { threads, parallel, optimization, externalData, dims } = loadOptions;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= 1024)) {
    throw refuseLoad(`threads must be a whole number from 1 to 1024, not ${threads}`);
  }
  if (parallel !== undefined && typeof parallel !== "boolean")
    throw refuseLoad(`parallel must be true or false, not ${parallel}`);
  if (optimization !== undefined && !Object.hasOwn(LEVELS, optimization)) {
    throw refuseLoad(`optimization must be one of ${Object.keys(LEVELS).join(", ")}, not ${optimization}`);
  }
  for (const [name, size] of dims ?? []) {
    if (!(Number.isInteger(size) && size >= 0)) throw refuseLoad(`dimension ${name} must be a whole number, not ${size}`);
  }
  for (const [name, data] of externalData ?? []) {
    if (!(data instanceof Uint8Array)) throw refuseLoad(`external data ${name} must be bytes`);
  }
}

/**
 * Checks load options for a TFLite file. Such files name no sizes: one that is open is whatever is fed.
 * @throws RUNTIME_FAILED naming the option
 */
export function tfliteLoadOptions(loadOptions: LoadOptions): CheckedOptions {
  checkLoadOptions(loadOptions);
  const { dims, externalData, ...rest } = loadOptions;
  if (externalData?.size) throw refuseLoad("a TFLite file has all its data inside, there is no external data to give");
  if (dims?.size) throw refuseLoad("a TFLite file has no dimension with a name to set; feed inputs of the size that you want");
  return rest;
}
