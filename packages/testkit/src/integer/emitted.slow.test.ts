import { describe, expect, it } from "vitest";
import { findCompiler, runOnHost } from "./c-host.ts";
import { chainCases, familyCases, NARROW, networkCases, STREAMS } from "./emitted-cases.ts";

const compiler = findCompiler();

/** Cases of each family, random networks and chains that are compiled. */
const CASES = 12;
const NETWORKS = 14;
const CHAINS = 20;

describe.skipIf(compiler === undefined)("emitted C equals the device program on many programs (needs a C compiler)", () => {
  for (const family of NARROW) {
    it(`on ${family}, under the sanitizers`, () => {
      const { cases, wanted } = familyCases(family, CASES);
      expect(runOnHost(compiler as string, cases)).toEqual(wanted);
    });
  }

  for (const stream of STREAMS) {
    it(`on chains of steps with ${stream} rows, under the sanitizers`, () => {
      const { cases, wanted } = chainCases(stream, CHAINS);
      if (stream === "pushed") expect(cases.filter((c) => c.emitted.push !== undefined).length).toBeGreaterThan(CHAINS / 2);
      expect(runOnHost(compiler as string, cases)).toEqual(wanted);
    });

    it(`on random networks with ${stream} rows, under the sanitizers`, () => {
      const { cases, wanted } = networkCases(stream, NETWORKS);
      expect(runOnHost(compiler as string, cases)).toEqual(wanted);
    });
  }
});
