import { fail } from "@tessera/core/base/error";

/** Sizes by name, from NAME=SIZE,NAME=SIZE. @throws USAGE */
export function dimsOf(text: string | undefined): ReadonlyMap<string, number> {
  const dims = new Map<string, number>();
  for (const part of text === undefined ? [] : text.split(",")) {
    const [, name, size] = /^(.+)=(\d+)$/.exec(part) ?? [];
    if (name === undefined || size === undefined)
      throw fail("USAGE", `Cannot use --dims ${text}: write NAME=SIZE, several with commas between`);
    dims.set(name, Number(size));
  }
  return dims;
}
