/** A column of a table: title, and whether numbers should stand flush right. */
export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** Rows of text as an aligned table with a rule under the head; widths count code points. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widthOf = (text: string): number => [...text].length;
  const widths = columns.map((c, i) => Math.max(widthOf(c.title), ...rows.map((r) => widthOf(r[i] ?? ""))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => {
        const space = " ".repeat(Math.max(0, (widths[i] ?? 0) - widthOf(cell)));
        return columns[i]?.right ? space + cell : cell + space;
      })
      .join("  ")
      .trimEnd();
  return [line(columns.map((c) => c.title)), widths.map((w) => "-".repeat(w)).join("  "), ...rows.map((r) => line(r))].join("\n");
}
