import { fail } from "@tessera/core/base/error";
import { aimetEncodings } from "@tessera/core/convert/export/aimet-encodings";
import { calibrationCache } from "@tessera/core/convert/export/calibration-cache";
import { modelToOlderOnnx } from "@tessera/core/convert/export/older-opset";
import { openvinoModel } from "@tessera/core/convert/export/openvino";
import type { SdkId } from "@tessera/core/convert/export/sdk-names";
import { type SupportReport, supportLines, supportReport } from "@tessera/core/convert/export/support";
import { tensorrtModel } from "@tessera/core/convert/export/tensorrt";
import { applyPlan } from "@tessera/core/convert/onnx/apply-plan";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Model } from "@tessera/core/graph/model";
import type { QuantPlan } from "@tessera/core/graph/plan";
import { plannedModel } from "@tessera/core/graph/planned";
import { planToJson } from "@tessera/core/quant/plan-json";
import { targetById } from "@tessera/core/targets/table";
import type { Target } from "@tessera/core/targets/target";
import { sha256, writeFile } from "../io/files.ts";

/** Tools that exports are for. */
export const EXPORT_KINDS = ["tensorrt", "qnn", "aimet", "openvino"] as const;

/** One of {@link EXPORT_KINDS}. */
export type ExportKind = (typeof EXPORT_KINDS)[number];

interface ExportFile {
  /** What follows the stem of the name. */
  readonly ending: string;
  readonly content: Uint8Array | string;
  readonly says: string;
}

interface ExportRow {
  /** By whose rules the plan is made. */
  readonly target: string;
  readonly sdk: SdkId;
  readonly make: (model: Model, plan: QuantPlan) => { readonly files: readonly ExportFile[]; readonly notes: readonly string[] };
}

/** The float network of a plan as a file: what encodings and caches refer to. */
function floatFile(model: Model, plan: QuantPlan): Uint8Array {
  return modelToOlderOnnx(plannedModel(model, plan)).bytes;
}

const ROWS: Readonly<Record<ExportKind, ExportRow>> = {
  tensorrt: {
    target: "jetson-nano",
    sdk: "tensorrt",
    make: (model, plan) => {
      const explicit = tensorrtModel(model, plan);
      const written = modelToOlderOnnx(explicit.model);
      return {
        files: [
          { ending: "qdq.onnx", content: written.bytes, says: "explicit Q/DQ: trtexec --onnx=FILE --int8 --fp16" },
          {
            ending: "float.onnx",
            content: floatFile(model, plan),
            says: "the float network that the calibration cache belongs to",
          },
          {
            ending: "calib.cache",
            content: calibrationCache(model, plan),
            says: "scales for implicit quantization (older TensorRT): trtexec --onnx=FLOAT --int8 --calib=FILE; its first line must name your version",
          },
        ],
        notes: [...explicit.notes, ...(written.note === undefined ? [] : [written.note])],
      };
    },
  },
  qnn: {
    target: "snapdragon-htp",
    sdk: "qnn",
    make: (model, plan) => ({
      files: [
        { ending: "float.onnx", content: floatFile(model, plan), says: "the float network that the overrides belong to" },
        {
          ending: "overrides.json",
          content: aimetEncodings(model, plan, { version: "0.6.1" }),
          says: "qnn-onnx-converter --input_network FLOAT --quantization_overrides FILE --float_fallback",
        },
        { ending: "qdq.onnx", content: modelToOnnx(applyPlan(model, plan)), says: "Q/DQ for ONNX Runtime's QNN provider" },
      ],
      notes: [],
    }),
  },
  aimet: {
    target: "snapdragon-htp",
    sdk: "qnn",
    make: (model, plan) => ({
      files: [
        { ending: "float.onnx", content: floatFile(model, plan), says: "the float network that the encodings belong to" },
        {
          ending: "encodings",
          content: aimetEncodings(model, plan),
          says: "encodings 1.0.0: aimet_onnx.quantsim.load_encodings_to_sim(sim, FILE)",
        },
      ],
      notes: [],
    }),
  },
  openvino: {
    target: "intel-openvino",
    sdk: "openvino",
    make: (model, plan) => {
      const { model: paired, notes } = openvinoModel(model, plan);
      return {
        files: [{ ending: "qdq.onnx", content: modelToOnnx(paired), says: "Q/DQ: openvino.Core().compile_model(FILE)" }],
        notes,
      };
    },
  },
};

/** The kinds that a comma-separated list names. @throws USAGE */
export function exportKinds(list: string): readonly ExportKind[] {
  const kinds = list.split(",").filter((word) => word !== "");
  const wrong = kinds.find((word) => !EXPORT_KINDS.includes(word as ExportKind));
  if (wrong !== undefined || kinds.length === 0)
    throw fail("USAGE", `Cannot export for "${wrong ?? list}": known are ${EXPORT_KINDS.join(", ")}`);
  return [...new Set(kinds)] as ExportKind[];
}

/** The target by whose rules an export's plan is made. */
export function exportTarget(kind: ExportKind): Target {
  return targetById(ROWS[kind].target);
}

/** What was written for one tool; plain JSON. */
export interface Exported {
  readonly kind: ExportKind;
  readonly files: readonly {
    readonly file: string;
    readonly sha256: string;
    readonly sizeBytes: number;
    readonly says: string;
  }[];
  readonly support: Pick<SupportReport, "sdk" | "target" | "counts" | "borders">;
  readonly notes: readonly string[];
}

/**
 * Writes a network and its plan in the forms that one tool takes, beside a report of what that tool supports: STEM.KIND.ENDING.
 *
 * @param model - ready for integers by the rules of {@link exportTarget}, and what the plan was made of
 * @throws TARGET_RULE for a plan that the tool has no form for; IO
 */
export function writeExport(
  kind: ExportKind,
  { model, plan, stem }: { readonly model: Model; readonly plan: QuantPlan; readonly stem: string },
): Exported {
  const row = ROWS[kind];
  const { files, notes } = row.make(model, plan);
  const target = exportTarget(kind);
  const report = supportReport(plannedModel(model, plan), plan, { sdk: row.sdk, target });
  const all: readonly ExportFile[] = [
    ...files,
    {
      ending: "plan.json",
      content: planToJson(plan),
      says: `the plan: --target ${target.id} --plan FILE makes these files again`,
    },
    { ending: "support.json", content: `${JSON.stringify(report, null, 1)}\n`, says: "what the tool supports, node by node" },
    { ending: "support.txt", content: supportLines(report), says: "the same, for reading" },
  ];
  const { sdk, counts, borders } = report;
  return {
    kind,
    files: all.map(({ ending, content, says }) => {
      const file = `${stem}.${kind}.${ending}`;
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      writeFile(file, bytes);
      return { file, sha256: sha256(bytes), sizeBytes: bytes.length, says };
    }),
    support: { sdk, target: target.id, counts, borders },
    notes,
  };
}

/** What was exported, for a terminal. */
export function exportLines({ kind, files, support, notes }: Exported): readonly string[] {
  const { integer, fused, moved, fallback, unknown } = support.counts;
  return [
    "",
    `for ${kind} (${support.sdk}): ${integer} nodes in integers, ${fused} fused, ${moved} moved past, ${fallback} in float, ${unknown} unknown`,
    ...notes.map((note) => `  ${note}`),
    ...files.map(({ file, says }) => `  ${file}: ${says}`),
  ];
}
