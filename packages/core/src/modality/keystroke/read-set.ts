import { fail } from "../../base/error.ts";
import { type CsvTable, parseCsv } from "../../biometrics/csv.ts";
import { type KeystrokeFeature, type KeystrokeFeatureKind, type KeystrokeSet, stackRows } from "./samples.ts";

/** The keys of the CMU password `.tie5Roanl`, as its file names them: Shift and r are one. */
export const CMU_KEYS: readonly string[] = ["period", "t", "i", "e", "five", "Shift.r", "o", "a", "n", "l", "Return"];

/** Columns of the CMU file: who, when, then hold, down-down and up-down times in seconds in turn. */
export const CMU_HEADER: readonly string[] = [
  "subject",
  "sessionIndex",
  "rep",
  ...CMU_KEYS.flatMap((key, i) => {
    const next = CMU_KEYS[i + 1];
    return next === undefined ? [`H.${key}`] : [`H.${key}`, `DD.${key}.${next}`, `UD.${key}.${next}`];
  }),
];

/** Times above this are no typing: an hour. */
const MAX_SECONDS = 3600;

/** How the first words of a column's name tell its kind, and what its numbers are multiplied by to be seconds. */
const COLUMN_KINDS: readonly { readonly starts: RegExp; readonly kind: KeystrokeFeatureKind; readonly factor: number }[] = [
  { starts: /^H\./, kind: "hold", factor: 1 },
  { starts: /^DD\./, kind: "down-down", factor: 1 },
  { starts: /^UD\./, kind: "up-down", factor: 1 },
  { starts: /^Hold /, kind: "hold", factor: 1e-3 },
  { starts: /^DD /, kind: "down-down", factor: 1e-3 },
  { starts: /^UD /, kind: "up-down", factor: 1e-3 },
  { starts: /^Pressure /, kind: "pressure", factor: 1 },
  { starts: /^Size /, kind: "size", factor: 1 },
  { starts: /^AvH$/, kind: "average", factor: 1e-3 },
  { starts: /^Av[PA]$/, kind: "average", factor: 1 },
];

/**
 * Reads the table of the CMU benchmark (DSL-StrongPasswordData.csv, Killourhy & Maxion 2009) as its authors publish it: 34 columns, one row a repetition,
 * times in seconds. Repetitions of a person must stand together in the order of session and repetition. A shorter file of the same form is read too.
 *
 * @throws DATASET_INVALID naming line and column.
 */
export function readCmuSet(text: string, options: { readonly file?: string } = {}): KeystrokeSet {
  const file = options.file ?? "the CMU table";
  const table = parseCsv(text, { file });
  if (table.header.length !== CMU_HEADER.length)
    throw invalid(file, `it has ${table.header.length} columns, the CMU table ${CMU_HEADER.length}`);
  CMU_HEADER.forEach((name, i) => {
    if (table.header[i] !== name) throw invalid(file, `column ${i + 1} is "${table.header[i]}", in the CMU table "${name}"`);
  });
  const order = (row: readonly string[], i: number): number => {
    const [session, rep] = [1, 2].map((c) =>
      whole(row[c] as string, { file, line: table.lines[i] as number, column: CMU_HEADER[c] as string }),
    );
    return (session as number) * 1e6 + (rep as number);
  };
  return group(table, { file, name: "CMU", first: 3, order });
}

/**
 * Reads the table of MEU-Mobile KSD (28 people typing on a tablet, times in ms) and, when given, checks it row by row against the manifest
 * (`path,subject,repetition`). Repetitions of a person are taken in the order of the rows.
 *
 * @throws DATASET_INVALID naming line and column.
 */
export function readMeuSet(text: string, options: { readonly file?: string; readonly manifest?: string } = {}): KeystrokeSet {
  const file = options.file ?? "the MEU table";
  const table = parseCsv(text, { file });
  if (table.header[0] !== "Subject") throw invalid(file, `its first column is "${table.header[0]}", not "Subject"`);
  const manifest = options.manifest === undefined ? undefined : parseCsv(options.manifest, { file: "manifest.csv" });
  if (manifest !== undefined) checkManifest(manifest, table, file);
  return group(table, { file, name: "MEU-Mobile", first: 1, order: (_, i) => i });
}

/** The table of a set by its header: CMU's or MEU-Mobile's. @throws DATASET_INVALID */
export function readKeystrokeSet(
  text: string,
  options: { readonly file?: string; readonly manifest?: string } = {},
): KeystrokeSet {
  const head = text.slice(0, 64).replace(/^\uFEFF/, "");
  if (/^"?subject"?,/.test(head)) return readCmuSet(text, options);
  if (/^"?Subject"?,/.test(head)) return readMeuSet(text, options);
  throw invalid(
    options.file ?? "the table",
    'its header starts with neither "subject,sessionIndex,rep" (CMU) nor "Subject" (MEU-Mobile)',
  );
}

function invalid(file: string, why: string): Error {
  return fail("DATASET_INVALID", `Cannot read ${file}: ${why}`, {
    hint: "Keystroke tables are those of CMU (subject,sessionIndex,rep,H.period,...) or MEU-Mobile (Subject,Hold .,...)",
  });
}

interface Cell {
  readonly file: string;
  readonly line: number;
  readonly column: string;
}

function number(text: string, { file, line, column }: Cell): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw invalid(file, `line ${line}, column ${column}: "${text.slice(0, 40)}" is no number`);
  return value;
}

function whole(text: string, cell: Cell): number {
  const value = number(text, cell);
  if (!Number.isInteger(value) || value < 1 || value >= 1e6)
    throw invalid(cell.file, `line ${cell.line}, column ${cell.column}: "${text}" is no count from 1`);
  return value;
}

function group(
  table: CsvTable,
  how: {
    readonly file: string;
    readonly name: string;
    readonly first: number;
    readonly order: (row: readonly string[], index: number) => number;
  },
): KeystrokeSet {
  const { file, first } = how;
  const columns = table.header.slice(first).map((name) => {
    const row = COLUMN_KINDS.find(({ starts }) => starts.test(name));
    if (row === undefined) throw invalid(file, `column "${name}" is of no known kind`);
    return { name, kind: row.kind, factor: row.factor };
  });
  if (columns.length === 0 || table.rows.length === 0) throw invalid(file, "it holds no measurements");
  const people = new Map<string, { readonly rows: Float64Array[]; last: number }>();
  let current: string | undefined;
  table.rows.forEach((row, index) => {
    const line = table.lines[index] as number;
    const id = (row[0] as string).trim();
    if (id === "") throw invalid(file, `line ${line}, column ${table.header[0]}: the person has no name`);
    const known = people.get(id);
    if (known !== undefined && id !== current)
      throw invalid(file, `line ${line}, column ${table.header[0]}: rows of "${id}" do not stand together`);
    const person = known ?? { rows: [], last: Number.NEGATIVE_INFINITY };
    const order = how.order(row, index);
    if (order <= person.last) throw invalid(file, `line ${line}: the repetitions of "${id}" are not in order`);
    person.last = order;
    person.rows.push(
      Float64Array.from(columns, ({ name, kind, factor }, k) => {
        const cell = { file, line, column: name };
        const value = number(row[first + k] as string, cell) * factor;
        const negative = kind === "up-down" || kind === "down-down" ? -MAX_SECONDS : 0;
        if (value < negative || value > MAX_SECONDS)
          throw invalid(file, `line ${line}, column ${name}: ${row[first + k]} is out of range`);
        return value;
      }),
    );
    people.set(id, person);
    current = id;
  });
  const features: KeystrokeFeature[] = columns.map(({ name, kind }) => ({ name, kind }));
  return {
    kind: "keystroke-set",
    name: how.name,
    features,
    subjects: [...people].map(([id, { rows }]) => ({ id, samples: stackRows(rows) })),
  };
}

function checkManifest(manifest: CsvTable, table: CsvTable, file: string): void {
  const [path, subject, repetition] = ["path", "subject", "repetition"].map((name) => manifest.header.indexOf(name)) as [
    number,
    number,
    number,
  ];
  if (path !== 0 || subject < 0 || repetition < 0)
    throw invalid("manifest.csv", "its columns must be path, subject and repetition");
  if (manifest.rows.length !== table.rows.length)
    throw invalid(file, `it has ${table.rows.length} rows, manifest.csv ${manifest.rows.length}`);
  const counts = new Map<string, number>();
  manifest.rows.forEach((row, i) => {
    const id = (row[subject] as string).trim();
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    if (id !== table.rows[i]?.[0]?.trim())
      throw invalid(file, `line ${table.lines[i]} belongs to "${table.rows[i]?.[0]}", by manifest.csv to "${id}"`);
    if (Number(row[repetition]) !== count)
      throw invalid("manifest.csv", `line ${manifest.lines[i]}, column repetition: "${row[repetition]}" where ${count} is due`);
  });
}
