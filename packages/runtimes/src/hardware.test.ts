import { describe, expect, test } from "vitest";
import { featuresFromCpuinfo, featuresFromSysctl, readHardware, vnniIn } from "./hardware.ts";

describe("processor features", () => {
  test("are read from an x86 cpuinfo", () => {
    const text =
      "processor\t: 0\nmodel name\t: Some Xeon\nflags\t\t: fpu sse2 avx avx2 avx512f avx512_vnni amx_int8\nbugs\t: avx_vnni\n";
    expect(featuresFromCpuinfo(text)).toEqual(["avx2", "avx512f", "avx512_vnni", "amx_int8"]);
  });

  test("are read from an ARM cpuinfo, in the words of x86 and ARM alike", () => {
    const text = "processor : 0\nFeatures : fp asimd asimdhp asimddp i8mm\nCPU implementer : 0x41\n";
    expect(featuresFromCpuinfo(text)).toEqual(["neon", "dotprod", "i8mm", "fp16"]);
  });

  test("are read from macOS, those that are 0 left out", () => {
    const text = "hw.optional.arm.FEAT_DotProd: 1\nhw.optional.arm.FEAT_I8MM: 0\nhw.optional.AdvSIMD: 1\nhw.optional.neon: 1\n";
    expect(featuresFromSysctl(text)).toEqual(["neon", "dotprod"]);
  });

  test("stay unknown where the system does not tell, rather than absent", () => {
    expect(featuresFromCpuinfo("processor : 0\n")).toBeUndefined();
    expect(featuresFromSysctl("")).toBeUndefined();
    expect(vnniIn(undefined)).toBeUndefined();
  });

  test("an old x64 has no VNNI, a new one and an ARM with dot products have", () => {
    expect(vnniIn(["avx2", "avx512f"])).toBe(false);
    expect(vnniIn(["avx2", "avx_vnni"])).toBe(true);
    expect(vnniIn(["neon"])).toBe(false);
    expect(vnniIn(["neon", "dotprod"])).toBe(true);
  });
});

test("this machine can be described in JSON", async () => {
  const hardware = await readHardware();
  expect(hardware.cores).toBeGreaterThanOrEqual(1);
  expect(hardware.memoryBytes).toBeGreaterThan(2 ** 27);
  expect(hardware.cpu).not.toBe("");
  expect(hardware.node).toBe(process.versions.node);
  expect(JSON.parse(JSON.stringify(hardware))).toEqual(
    hardware.features ? hardware : { ...hardware, features: undefined, hasVnni: undefined },
  );
});
