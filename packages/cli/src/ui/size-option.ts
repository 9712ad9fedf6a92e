import { fail } from "@tessera/core/base/error";

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 * 1024 };

/** A size of memory: a number of bytes, or of KiB or MiB with K or M behind it, as linkers have it. @throws USAGE */
export function sizeOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([KM]?)(?:i?B)?$/i.exec(text.trim()) ?? [];
  const size = Number(digits) * (UNITS[unit?.toUpperCase() ?? ""] ?? Number.NaN);
  if (!Number.isSafeInteger(size) || size <= 0)
    throw fail("USAGE", `Cannot use --${name} ${text}: write a size such as 256K or 1M (1024 and 1,048,576 bytes)`);
  return size;
}

/** A size of memory as linkers have it: "256 KiB". */
export function memorySize(bytes: number): string {
  const { K, M } = UNITS as { readonly K: number; readonly M: number };
  if (bytes >= M && bytes % M === 0) return `${bytes / M} MiB`;
  return bytes >= K && bytes % K === 0 ? `${bytes / K} KiB` : `${bytes.toLocaleString("en-US")} B`;
}
