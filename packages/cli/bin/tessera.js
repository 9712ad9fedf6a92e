#!/usr/bin/env node
// Stands in the repository, so that installing can link it before anything is built.
import { existsSync } from "node:fs";

const main = new URL("../dist/main.js", import.meta.url);
if (existsSync(main)) await import(main.href);
else {
  process.stderr.write("error: tessera is not built yet\n  next: npm run build\n");
  process.exitCode = 2;
}
