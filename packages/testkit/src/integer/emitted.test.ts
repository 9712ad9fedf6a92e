import { describe, expect, it } from "vitest";
import { findCompiler, runOnHost } from "./c-host.ts";
import { chainCases, familyCases, NARROW, networkCases, STREAMS } from "./emitted-cases.ts";

const compiler = findCompiler();

/** Cases of each family, random networks and chains that are compiled. */
const CASES = 2;
const NETWORKS = 2;
const CHAINS = 5;

describe.skipIf(compiler === undefined)("emitted C equals the device program on this machine (needs a C compiler)", () => {
  for (const family of NARROW) {
    it(`on ${family}, under the sanitizers`, { timeout: 240_000 }, () => {
      const { cases, wanted } = familyCases(family, CASES);
      expect(runOnHost(compiler as string, cases)).toEqual(wanted);
    });
  }

  for (const stream of STREAMS) {
    it(`on chains of steps with ${stream} rows, under the sanitizers`, { timeout: 240_000 }, () => {
      const { cases, wanted } = chainCases(stream, CHAINS);
      if (stream === "pushed") expect(cases.filter((c) => c.emitted.push !== undefined).length).toBeGreaterThan(CHAINS / 2);
      expect(runOnHost(compiler as string, cases)).toEqual(wanted);
    });

    it(`on random networks with ${stream} rows, under the sanitizers`, { timeout: 240_000 }, () => {
      const { cases, wanted } = networkCases(stream, NETWORKS);
      expect(runOnHost(compiler as string, cases)).toEqual(wanted);
    });
  }
});
