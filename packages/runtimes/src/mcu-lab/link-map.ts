/** A piece that the linker placed. */
export interface MapPiece {
  /** Output section, such as ".text". */
  readonly section: string;
  /** Section of the object file, such as ".rodata.kws_weights"; "*fill*" for what alignment left. */
  readonly input: string;
  readonly address: number;
  readonly bytes: number;
  /** Object file, without its folder; the member where it came out of a library. "" for fillings and for space that the script itself takes. */
  readonly object: string;
  /** Library without its folder. */
  readonly archive?: string;
}

/** Where the linker put everything. */
export interface LinkMap {
  readonly pieces: readonly MapPiece[];
  /** Bytes of each output section, fillings included. */
  readonly sections: ReadonlyMap<string, number>;
}

const NUMBERS = /^\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)(?:\s+(.*))?$/;

function fileName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

function origin(path: string): { object: string; archive?: string } {
  const member = /^(.*)\(([^()]*)\)$/.exec(path);
  return member?.[1] !== undefined && member[2] !== undefined
    ? { object: member[2], archive: fileName(member[1]) }
    : { object: fileName(path) };
}

/**
 * Reads the map that GNU ld writes (`-Wl,-Map=file`). Names that are too long for their column stand on a line of their own; what was discarded is listed
 * before the memory map and behind "/DISCARD/", and counts nowhere. Pieces without bytes are left out.
 */
export function parseLinkMap(text: string): LinkMap {
  const pieces: MapPiece[] = [];
  const sections = new Map<string, number>();
  const lines = text.split(/\r?\n/);
  let at = lines.findIndex((line) => line.startsWith("Linker script and memory map"));
  if (at < 0) return { pieces, sections };
  let section = "";
  for (at++; at < lines.length; at++) {
    const line = lines[at] ?? "";
    const head = /^( ?)([^\s(][^\s(]*)(.*)$/.exec(line);
    if (head?.[2] === undefined || head[3] === undefined) continue;
    const outer = head[1] === "";
    const name = head[2];
    // The numbers stand behind the name, or alone on the next line.
    let numbers = NUMBERS.exec(head[3]);
    if (numbers === null && head[3].trim() === "") {
      numbers = NUMBERS.exec(lines[at + 1] ?? "");
      if (numbers !== null) at++;
    }
    if (outer) section = /^[./]/.test(name) ? name : "";
    if (numbers?.[1] === undefined || numbers[2] === undefined || section === "" || section === "/DISCARD/") continue;
    const bytes = Number.parseInt(numbers[2], 16);
    if (bytes === 0) continue;
    if (outer) sections.set(section, bytes);
    else if (name === "*fill*" || numbers[3] !== undefined) {
      const from = name === "*fill*" ? { object: "" } : origin(numbers[3] ?? "");
      pieces.push({ section, input: name, address: Number.parseInt(numbers[1], 16), bytes, ...from });
    }
  }
  return { pieces, sections };
}
