import type { Engine } from "./engine.ts";
import type { LitertBuild } from "./litert-build.ts";
import type { CheckedOptions } from "./load-options.ts";

/** Software that can hold a model, by the id of its runtime. */
export type EngineName = "ort-node" | "ort-web" | "litert" | "tfjs-tflite";

/** Which engine, and what it is told besides the model; crosses threads. */
export interface EngineSpec {
  readonly engine: EngineName;
  readonly options: CheckedOptions;
  /** Build of LiteRT. */
  readonly build?: LitertBuild;
}

/** How an engine comes up. Imported when asked for, so that a worker loads one runtime only. */
interface EngineRow {
  /** Whether it reads a model by the path of its file. */
  readonly paths: boolean;
  /** Loads the software, without a model. @throws RUNTIME_MISSING */
  start(spec: EngineSpec): Promise<unknown>;
  /** @throws RUNTIME_FAILED with the runtime's words, RUNTIME_MISSING */
  open(model: Uint8Array | string, spec: EngineSpec): Promise<Engine>;
}

function ortRow(flavour: "node" | "web"): EngineRow {
  const start = async ({ options }: EngineSpec) => (await import("./ort-module.ts")).importOrt(flavour, options.threads);
  return {
    paths: flavour === "node",
    start,
    async open(model, spec) {
      const { openOrtEngine } = await import("./ort-engine.ts");
      return openOrtEngine(await start(spec), model, { load: spec.options, flavour });
    },
  };
}

/** A row per engine. */
export const ENGINES: Readonly<Record<EngineName, EngineRow>> = {
  "ort-node": ortRow("node"),
  "ort-web": ortRow("web"),
  litert: {
    paths: false,
    // An instance, too, because part of what it takes is taken once for all that follow.
    start: async (spec) => (await (await import("./litert-module.ts")).startLitert(spec)).end(),
    open: async (model, spec) => (await import("./litert-engine.ts")).openLitertEngine(model as Uint8Array, spec),
  },
  "tfjs-tflite": {
    paths: false,
    start: async () => (await import("./tfjs-tflite-module.ts")).startTfjs(),
    open: async (model) => (await import("./tfjs-tflite-engine.ts")).openTfjsEngine(model as Uint8Array),
  },
};

/** Loads a model into this thread. @throws RUNTIME_FAILED with the runtime's words, RUNTIME_MISSING */
export function openEngine(model: Uint8Array | string, spec: EngineSpec): Promise<Engine> {
  return ENGINES[spec.engine].open(model, spec);
}
