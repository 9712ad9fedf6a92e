import { fail } from "@tessera/core/base/error";

/** One row of a profiler's table. */
export interface SummaryRow {
  /** What ran: an operator, the delegate, or a call inside it. */
  readonly type: string;
  readonly name: string;
  /** Index of the node in the graph of today, after the delegate took its part; undefined for calls inside the delegate. */
  readonly node: number | undefined;
  /** Milliseconds, to three digits. */
  readonly firstMs: number;
  readonly averageMs: number;
  readonly calls: number;
}

/** The two tables of a summary: nodes of the graph, and what the delegate did inside, both in the order in which they ran. */
export interface ProfileSummary {
  readonly nodes: readonly SummaryRow[];
  readonly inside: readonly SummaryRow[];
}

/**
 * `type first avg % cdf% mem calls name`, separated by tabs; only the name may hold blanks that matter. Shares of a sum of nothing are "nan%".
 */
const ROW = /^\t\s*(\S+)\t\s*([\d.]+)\t\s*([\d.]+)\t\s*\S+%\t\s*\S+%\t\s*\S+\t\s*(\d+)\t(.*)$/;

function rowsOf(section: string): SummaryRow[] {
  const rows: SummaryRow[] = [];
  const [, table = ""] = section.split("Run Order");
  for (const line of table.split("\n").slice(1)) {
    // The next table, by time, has the same rows again.
    if (line.startsWith("=")) break;
    const match = ROW.exec(line);
    if (!match) continue;
    const [, type = "", first, average, calls, label = ""] = match;
    const [, name = label, node] = /^\[(.*)\]:(\d+)$/.exec(label) ?? [];
    rows.push({
      type,
      name,
      node: node === undefined ? undefined : Number(node),
      firstMs: Number(first),
      averageMs: Number(average),
      calls: Number(calls),
    });
  }
  return rows;
}

/**
 * Reads the text that TensorFlow Lite's profiler writes ("Run Order" tables, the second after "Delegate internal").
 * @throws MALFORMED when it has no row
 */
export function parseSummary(text: string): ProfileSummary {
  const [graph = "", delegate = ""] = text.split("Delegate internal");
  const nodes = rowsOf(graph);
  if (nodes.length === 0) throw fail("MALFORMED", "Cannot read the profile: the runtime's table has no row");
  return { nodes, inside: rowsOf(delegate) };
}
