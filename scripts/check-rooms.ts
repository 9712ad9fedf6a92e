/**
 * Holds every import of the packages against the table of rooms (scripts/lib/rooms.ts), and draws that table into ARCHITECTURE.md.
 *
 *   tsx scripts/check-rooms.ts            fails on a forbidden import and on a stale table
 *   tsx scripts/check-rooms.ts --write    writes the table
 */
import { updateGenerated } from "./lib/generated.ts";
import { checkFile } from "./lib/imports.ts";
import { roomsTable } from "./lib/rooms-table.ts";
import { packageSources } from "./lib/source-files.ts";

const files = packageSources();
const findings = files.flatMap(checkFile);
for (const f of findings) console.error(`${f.path}:${f.line}  ${f.says}`);

const stale = updateGenerated(
  [{ path: "ARCHITECTURE.md", marker: "rooms", text: roomsTable() }],
  process.argv.includes("--write"),
);
for (const path of stale) console.error(`${path} is stale: run \`npm run docs:write\``);

if (findings.length > 0 || stale.length > 0) process.exit(1);
console.log(`rooms: ${files.length} files, every import is in the table`);
