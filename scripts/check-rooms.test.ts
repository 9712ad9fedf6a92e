import { describe, expect, it } from "vitest";
import { withGenerated } from "./lib/generated.ts";
import { checkFile, importsOf } from "./lib/imports.ts";
import { maskSource } from "./lib/mask-source.ts";
import { ROOMS } from "./lib/rooms.ts";
import { roomsTable } from "./lib/rooms-table.ts";
import { packageSources } from "./lib/source-files.ts";

function findings(path: string, text: string): readonly string[] {
  return checkFile({ path, text }).map((f) => f.says);
}

describe("the table of rooms", () => {
  it("names only rooms that exist and has no circle", () => {
    const done = new Set<string>();
    const visit = (room: string, trail: readonly string[]): void => {
      expect(trail, `circle through ${[...trail, room].join(" -> ")}`).not.toContain(room);
      expect(Object.keys(ROOMS)).toContain(room);
      if (done.has(room)) return;
      for (const next of ROOMS[room]?.may ?? []) visit(next, [...trail, room]);
      done.add(room);
    };
    for (const room of Object.keys(ROOMS)) visit(room, []);
  });

  it("lets nothing import the command", () => {
    for (const room of Object.values(ROOMS)) expect(room.may).not.toContain("cli");
  });

  it("holds for every file of the packages", () => {
    expect(packageSources().flatMap(checkFile)).toEqual([]);
  });

  it("is drawn with a row for each room", () => {
    for (const room of Object.keys(ROOMS)) expect(roomsTable()).toContain(`| \`${room}\` |`);
  });
});

describe("a forbidden import", () => {
  it("of another room is found with its line, and the message lists what is allowed", () => {
    const text = 'import type { Model } from "./model.ts";\nimport { OPS } from "../ops/table.ts";\n';
    expect(checkFile({ path: "packages/core/src/graph/bad.ts", text })).toEqual([
      {
        path: "packages/core/src/graph/bad.ts",
        line: 2,
        says: 'Cannot import core/ops ("../ops/table.ts") in core/graph: it may import core/base',
      },
    ]);
  });

  it("is found over several lines, in import() and in type positions", () => {
    const text = ["import {", "  a,", '} from "../interp/run.ts";', 'const b = await import("../quant/observe.ts");'].join("\n");
    expect(findings("packages/core/src/ops/bad.ts", `${text}\ntype C = import("../passes/pass.ts").Pass;`)).toHaveLength(3);
  });

  it("across packages is found by the room inside core", () => {
    const text = 'import { x } from "@tessera/core/quant/observe";';
    expect(findings("packages/web/src/bad.ts", text)[0]).toContain("it may import core/base, core/biometrics, core/protocol");
    expect(findings("packages/cli/src/good.ts", text)).toEqual([]);
  });

  it("that leaves its package by a relative path is found", () => {
    expect(findings("packages/web/src/bad.ts", 'import { x } from "../../core/src/base/error.ts";')[0]).toContain("stays inside");
    expect(findings("packages/core/src/base/bad.ts", 'import { x } from "../../../../scripts/size.ts";')[0]).toContain(
      "stays inside",
    );
  });

  it("of node: is found in core but not in its tests", () => {
    const text = 'import { readFileSync } from "node:fs";';
    expect(findings("packages/core/src/graph/bad.ts", text)[0]).toContain("must run in a browser too");
    expect(findings("packages/core/src/graph/bad.test.ts", text)).toEqual([]);
    expect(findings("packages/runtimes/src/good.ts", text)).toEqual([]);
  });

  it("of a package that the room does not list is found", () => {
    expect(findings("packages/core/src/graph/bad.ts", 'import * as v from "valibot";')[0]).toContain("it may use nothing");
    expect(findings("packages/core/src/graph/bad.ts", 'import "@scope/name/file";')[0]).toContain('"@scope/name"');
  });

  it("of the command is found even in a test", () => {
    expect(findings("packages/runtimes/src/bad.test.ts", 'import { x } from "@tessera/cli/main";')).toHaveLength(1);
  });

  it("is not seen in comments, strings, templates and regular expressions", () => {
    const text = [
      '// import { a } from "../ops/table.ts";',
      '/* from "../ops/table.ts" */',
      "const s = 'from \"../ops/table.ts\"';",
      'const t = `import "../ops/table.ts" \u0024{1 / 2}`;',
      'const r = /from "x"/;',
    ].join("\n");
    expect(findings("packages/core/src/graph/fine.ts", text)).toEqual([]);
  });

  it("is not seen in a method called from", () => {
    const text = 'const head = Buffer.from("HEAD");\nconst rows = Array.from("abc");';
    expect(importsOf(text)).toEqual([]);
  });

  it("is seen after a string or template that looks like the start of a comment", () => {
    const text = 'const glob = "src/**/*.ts";\nconst u = `a//b\u0024{"/*"}`;\nimport { OPS } from "../ops/table.ts";';
    expect(importsOf(text).map((i) => i.specifier)).toEqual(["../ops/table.ts"]);
  });
});

describe("forbidden exports", () => {
  it("are `export *`, default exports and index files", () => {
    const all = findings(
      "packages/core/src/graph/index.ts",
      'export * from "./model.ts";\nexport default 1;\nexport { a as default };',
    );
    expect(all).toHaveLength(4);
  });

  it("are not seen in text", () => {
    expect(findings("packages/core/src/graph/fine.ts", 'const says = "export * and export default"; // export default')).toEqual(
      [],
    );
  });
});

it("an unknown room fails by name", () => {
  expect(findings("packages/core/src/attic/a.ts", "")[0]).toContain("core/attic");
});

it("masking keeps length and lines", () => {
  for (const { text } of packageSources().slice(0, 60)) {
    const { code } = maskSource(text);
    expect(code.length).toBe(text.length);
    expect(code.split("\n").length).toBe(text.split("\n").length);
  }
});

it("a generated part replaces what stands between its markers and nothing else", () => {
  const file = "a\n<!-- x:start -->\nold\n<!-- x:end -->\nb\n";
  const next = withGenerated(file, { path: "f.md", marker: "x", text: "new\n" });
  expect(next).toBe("a\n<!-- x:start -->\nnew\n<!-- x:end -->\nb\n");
  expect(() => withGenerated("no markers", { path: "f.md", marker: "x", text: "" })).toThrow("no lines");
});
