import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fileTokens, fixedTokens, makeToken, parseTokens, printTokens } from "./tokens.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "tessera-tokens-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("tokens", () => {
  test("are long, are all different, and stand in no file", () => {
    const made = Array.from({ length: 50 }, (_, i) => makeToken(`t${i}`, "capture"));
    expect(new Set(made.map((m) => m.token)).size).toBe(50);
    const text = printTokens(made.map((m) => m.entry));
    for (const { token } of made) {
      expect(token).toMatch(/^tsg_[\w-]{43}$/);
      expect(text).not.toContain(token);
    }
    expect(parseTokens(text)).toEqual(made.map((m) => m.entry));
  });

  test("are found whole only", () => {
    const { token, entry } = makeToken("door", "capture");
    const book = fixedTokens([makeToken("other", "operator").entry, entry]);
    expect(book.find(token)).toEqual(entry);
    for (const wrong of ["", token.slice(0, -1), `${token}x`, token.toUpperCase(), entry.sha256])
      expect(book.find(wrong)).toBeUndefined();
  });

  test("a file of them is refused whole for anything wrong in it", () => {
    const { entry } = makeToken("door", "capture");
    const wrong = [
      "",
      "{}",
      '{"version":2,"tokens":[]}',
      JSON.stringify({ version: 1, tokens: [{ ...entry, role: "admin" }] }),
      JSON.stringify({ version: 1, tokens: [{ ...entry, sha256: "abc" }] }),
      JSON.stringify({ version: 1, tokens: [{ ...entry, token: "x" }] }),
      JSON.stringify({ version: 1, tokens: [entry, entry] }),
      JSON.stringify({ version: 1, tokens: [{ ...entry, id: "A b" }] }),
    ];
    for (const text of wrong) expect(() => parseTokens(text), text).toThrow(expect.objectContaining({ code: "GATEWAY_CONFIG" }));
  });
});

describe("fileTokens", () => {
  test("notices a revoked and an added token within a second, and lets nobody in while the file is broken", () => {
    const path = join(folder, "tokens.json");
    const [old, fresh] = [makeToken("old", "capture"), makeToken("fresh", "operator")];
    const write = (text: string): void => {
      writeFileSync(`${path}.new`, text);
      renameSync(`${path}.new`, path);
    };
    write(printTokens([old.entry]));
    let nowMs = 0;
    const book = fileTokens(path, { now: () => nowMs });
    expect(book.find(old.token)?.id).toBe("old");
    write(printTokens([fresh.entry]));
    nowMs = 1000;
    expect(book.find(old.token)).toBeUndefined();
    expect(book.find(fresh.token)?.role).toBe("operator");
    write("{ half");
    nowMs = 2000;
    expect(book.find(fresh.token)).toBeUndefined();
    expect(book.problem()).toContain("nobody is let in");
    write(printTokens([fresh.entry]));
    nowMs = 3000;
    expect(book.find(fresh.token)?.id).toBe("fresh");
    expect(book.problem()).toBeUndefined();
    rmSync(path);
    nowMs = 4000;
    expect(book.find(fresh.token)).toBeUndefined();
  });

  test("does not start without the file", () => {
    expect(() => fileTokens(join(folder, "none.json"), { now: () => 0 })).toThrow(
      expect.objectContaining({ code: "GATEWAY_CONFIG" }),
    );
  });
});
