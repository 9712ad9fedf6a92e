/** Prints lines of code and of tests by room, so that growth is seen in review. Never fails. */

import { roomOf } from "./lib/imports.ts";
import { ROOMS } from "./lib/rooms.ts";
import { isTest, packageSources } from "./lib/source-files.ts";

interface Size {
  files: number;
  lines: number;
  testLines: number;
  longest: { path: string; lines: number };
}

const sizes = new Map<string, Size>();
for (const { path, text } of packageSources()) {
  const room = roomOf(path) ?? "?";
  const size = sizes.get(room) ?? { files: 0, lines: 0, testLines: 0, longest: { path: "", lines: 0 } };
  const lines = text.split("\n").length - 1;
  if (isTest(path)) size.testLines += lines;
  else {
    size.files++;
    size.lines += lines;
    if (lines > size.longest.lines) size.longest = { path: path.replace(/^.*\/src\//, ""), lines };
  }
  sizes.set(room, size);
}

const order = Object.keys(ROOMS).filter((room) => sizes.has(room));
const columns = ["room", "files", "lines", "tests", "longest file"] as const;
const rows = order.map((room) => {
  const size = sizes.get(room) as Size;
  return [room, String(size.files), String(size.lines), String(size.testLines), `${size.longest.path} (${size.longest.lines})`];
});
const total = (pick: (size: Size) => number): string => String([...sizes.values()].reduce((sum, size) => sum + pick(size), 0));
rows.push(["total", total((s) => s.files), total((s) => s.lines), total((s) => s.testLines), ""]);
const widths = columns.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] as string).length)));
for (const row of [columns, ...rows]) {
  console.log(
    row
      .map((text, i) => (i > 0 && i < 4 ? text.padStart(widths[i] as number) : text.padEnd(widths[i] as number)))
      .join("  ")
      .trimEnd(),
  );
}
