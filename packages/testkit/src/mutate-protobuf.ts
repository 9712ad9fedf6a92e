import type { Random } from "@tessera/core/base/random";
import type { MessageRecord, MessageTable } from "@tessera/core/formats/protobuf/table";
import { makeCursor, readLength, readTag, skipScalar } from "@tessera/core/formats/protobuf/wire";

/** One field as it stands in a file: the bytes of its value (with their length, if any, left out), or the fields of its message. */
interface Part {
  readonly tag: number;
  readonly value: Uint8Array | readonly Part[];
}

/** What is put in the place of a varint. */
const TELLING_NUMBERS = [
  0n,
  1n,
  2n,
  7n,
  127n,
  128n,
  1n << 31n,
  (1n << 32n) - 1n,
  (1n << 53n) + 1n,
  1n << 63n,
  (1n << 64n) - 1n,
] as const;

/**
 * Damages the content of a protobuf file but not its framing: a field at any depth is left out, doubled, moved, renumbered or given another
 * value, and all lengths are put right again. Most results can be read, so that what comes after the reader is tried too. The file must be
 * well-formed and without groups.
 *
 * @example
 * const mutant = mutateProtobuf(MODEL, file, seededRandom(3));
 */
export function mutateProtobuf(table: MessageTable<MessageRecord>, file: Uint8Array, random: Random): Uint8Array {
  let parts = parse(table, file);
  for (let left = 1 + random.int(3); left > 0; left--) parts = change(parts, random);
  return serialize(parts);
}

function parse(table: MessageTable<MessageRecord> | undefined, bytes: Uint8Array): readonly Part[] {
  const cursor = makeCursor(bytes);
  const parts: Part[] = [];
  while (cursor.pos < bytes.length) {
    const tag = readTag(cursor, bytes.length);
    const start = cursor.pos;
    if ((tag & 7) !== 2) {
      skipScalar(cursor, tag, bytes.length);
      parts.push({ tag, value: bytes.subarray(start, cursor.pos) });
      continue;
    }
    const length = readLength(cursor, bytes.length, "a field");
    const body = bytes.subarray(cursor.pos, cursor.pos + length);
    cursor.pos += length;
    const field = table?.byNumber[tag >>> 3];
    parts.push({ tag, value: field?.type === "message" ? parse(field.message(), body) : body });
  }
  return parts;
}

/** Goes down to a random message, deeper ones as likely as flat ones, and changes one of its fields. */
function change(parts: readonly Part[], random: Random): readonly Part[] {
  if (parts.length === 0) return parts;
  const at = random.int(parts.length);
  const part = parts[at] as Part;
  const [before, after] = [parts.slice(0, at), parts.slice(at + 1)];
  if (part.value instanceof Uint8Array || part.value.length === 0 || random.int(4) === 0)
    return changeField({ before, part, after }, random);
  return [...before, { tag: part.tag, value: change(part.value, random) }, ...after];
}

function changeField(around: { before: readonly Part[]; part: Part; after: readonly Part[] }, random: Random): readonly Part[] {
  const { before, part, after } = around;
  switch (random.int(6)) {
    case 0:
      return [...before, ...after];
    case 1:
      return [...before, part, part, ...after];
    case 2:
      return [...after, part, ...before];
    case 3:
      return [...before, { ...part, tag: (1 + random.int(30)) * 8 + (part.tag & 7) }, ...after];
    default:
      return [...before, { tag: part.tag, value: changeValue(part, random) }, ...after];
  }
}

function changeValue(part: Part, random: Random): Part["value"] {
  if (!(part.value instanceof Uint8Array)) return part.value.toReversed();
  if ((part.tag & 7) === 0) return Uint8Array.from(varint(TELLING_NUMBERS[random.int(TELLING_NUMBERS.length)] ?? 0n));
  const out = part.value.slice();
  if (out.length === 0) return (part.tag & 7) === 2 ? Uint8Array.from({ length: random.int(9) }, () => random.int(256)) : out;
  out[random.int(out.length)] = random.int(256);
  return (part.tag & 7) === 2 && random.int(3) === 0 ? out.slice(0, random.int(out.length)) : out;
}

function varint(value: bigint): number[] {
  const out: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 128n) return [...out, Number(rest)];
    out.push(Number(rest & 127n) | 128);
  }
}

function serialize(parts: readonly Part[]): Uint8Array {
  const pieces: Uint8Array[] = [];
  for (const { tag, value } of parts) {
    const body = value instanceof Uint8Array ? value : serialize(value);
    pieces.push(Uint8Array.from([...varint(BigInt(tag)), ...((tag & 7) === 2 ? varint(BigInt(body.length)) : [])]), body);
  }
  const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    out.set(piece, at);
    at += piece.length;
  }
  return out;
}
