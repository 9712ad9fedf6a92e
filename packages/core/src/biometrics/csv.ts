import { fail } from "../base/error.ts";

/** Named limits of {@link parseCsv}. */
export interface CsvOptions {
  /** Name for messages. */
  readonly file?: string;
  readonly maxRows?: number;
  readonly maxColumns?: number;
  /** Length of one cell in UTF-16 units. */
  readonly maxCell?: number;
}

/** Defaults of {@link parseCsv}. */
export const CSV_DEFAULTS = {
  file: "the table",
  maxRows: 5_000_000,
  maxColumns: 1024,
  maxCell: 65_536,
} as const satisfies Required<CsvOptions>;

/** A table with a header. Every row has as many cells as the header. */
export interface CsvTable {
  readonly kind: "csv";
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Line (1-based) on which each row starts. */
  readonly lines: readonly number[];
}

const QUOTE = 34;
const COMMA = 44;
const CR = 13;
const LF = 10;

/**
 * Reads comma-separated text as RFC 4180 describes it: a header, quotes that may hold commas, line breaks and doubled quotes, LF or CRLF
 * or CR, a byte order mark, empty lines skipped. Cells are kept as they are, blanks included.
 *
 * @throws DATASET_INVALID with the line number, LIMIT_EXCEEDED past a named limit.
 */
export function parseCsv(text: string, options: CsvOptions = {}): CsvTable {
  const limits = { ...CSV_DEFAULTS, ...options };
  const records: string[][] = [];
  const lines: number[] = [];
  let record: string[] = [];
  let line = 1;
  let recordLine = 1;
  let position = text.charCodeAt(0) === 0xfeff ? 1 : 0;

  const endRecord = (): void => {
    // A lone empty cell is an empty line.
    if (record.length === 1 && record[0] === "") record = [];
    if (record.length > 0) {
      const width = records[0]?.length ?? record.length;
      if (record.length !== width)
        throw fail(
          "DATASET_INVALID",
          `Cannot read ${limits.file}: line ${recordLine} has ${record.length} cells, the header ${width}`,
        );
      if (records.length > limits.maxRows)
        throw fail("LIMIT_EXCEEDED", `Cannot read ${limits.file}: more than maxRows = ${limits.maxRows} rows`);
      records.push(record);
      lines.push(recordLine);
    }
    record = [];
  };
  const addCell = (cell: string): void => {
    if (cell.length > limits.maxCell)
      throw fail("LIMIT_EXCEEDED", `Cannot read ${limits.file}: a cell on line ${line} passes maxCell = ${limits.maxCell}`);
    if (record.length >= limits.maxColumns)
      throw fail(
        "LIMIT_EXCEEDED",
        `Cannot read ${limits.file}: line ${line} has more than maxColumns = ${limits.maxColumns} cells`,
      );
    record.push(cell);
  };

  while (position < text.length) {
    if (record.length === 0) recordLine = line;
    const [cell, after, breaks] =
      text.charCodeAt(position) === QUOTE
        ? quotedCell(text, position, line, limits.file)
        : plainCell(text, position, line, limits.file);
    addCell(cell);
    line += breaks;
    position = after;
    const next = text.charCodeAt(position);
    if (next === COMMA) {
      position++;
      // A comma at the very end opens one more, empty cell.
      if (position === text.length) addCell("");
      continue;
    }
    if (next === CR && text.charCodeAt(position + 1) === LF) position++;
    position++;
    line++;
    endRecord();
  }
  endRecord();
  const [header, ...rows] = records;
  if (header === undefined) throw fail("DATASET_INVALID", `Cannot read ${limits.file}: it is empty`);
  const names = header.map((name) => name.trim());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw fail("DATASET_INVALID", `Cannot read ${limits.file}: column "${twice}" occurs twice on line ${lines[0]}`);
  return { kind: "csv", header: names, rows, lines: lines.slice(1) };
}

function plainCell(text: string, start: number, line: number, file: string): [string, number, number] {
  let end = start;
  for (; end < text.length; end++) {
    const unit = text.charCodeAt(end);
    if (unit === COMMA || unit === LF || unit === CR) break;
    if (unit === QUOTE) throw fail("DATASET_INVALID", `Cannot read ${file}: line ${line} has a quote inside an unquoted cell`);
  }
  return [text.slice(start, end), end, 0];
}

function quotedCell(text: string, start: number, line: number, file: string): [string, number, number] {
  let cell = "";
  let from = start + 1;
  for (;;) {
    const close = text.indexOf('"', from);
    if (close < 0) throw fail("DATASET_INVALID", `Cannot read ${file}: the quote opened on line ${line} is never closed`);
    cell += text.slice(from, close);
    const next = text.charCodeAt(close + 1);
    if (next === QUOTE) {
      cell += '"';
      from = close + 2;
      continue;
    }
    const ends = close + 1 === text.length || next === COMMA || next === LF || next === CR;
    if (!ends) throw fail("DATASET_INVALID", `Cannot read ${file}: line ${line} has text after a closing quote`);
    return [cell, close + 1, cell.split(/\r\n|\r|\n/).length - 1];
  }
}
