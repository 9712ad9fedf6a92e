import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandSandbox } from "./command-sandbox.ts";

const before = { cache: process.env["TESSERA_CACHE"], exitCode: process.exitCode };
let folder = "";

describe("a sandbox of commands", () => {
  const sandbox = commandSandbox("tessera-sandbox-");
  beforeAll(() => {
    folder = sandbox.folder;
    expect(existsSync(folder)).toBe(true);
  });

  it("keeps the cache within, and begins without an exit code", () => {
    expect(process.env["TESSERA_CACHE"]).toBe(join(folder, "cache"));
    expect(process.exitCode).toBeUndefined();
    process.exitCode = 1;
  });

  it("begins without an exit code again", () => {
    expect(process.exitCode).toBeUndefined();
  });
});

describe("after a sandbox", () => {
  afterAll(() => {
    process.exitCode = before.exitCode;
  });

  it("nothing is left", () => {
    expect(folder).not.toBe("");
    expect(existsSync(folder)).toBe(false);
    expect({ cache: process.env["TESSERA_CACHE"], exitCode: process.exitCode }).toEqual(before);
  });
});
