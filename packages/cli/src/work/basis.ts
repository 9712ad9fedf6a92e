import type { Model } from "@tessera/core/graph/model";
import type { Candidate, FigureBasis, MachineSummary, TimedOn } from "@tessera/core/protocol/report";
import { bytes, count, ms } from "../ui/format.ts";
import type { OptimizeJob } from "./request.ts";
import { costOfOne } from "./summary.ts";

/** What a board's processor can do at best, for bounds. */
interface Board {
  readonly says: string;
  readonly cores: number;
  readonly hertz: number;
  /** Multiply-accumulates a core can start in a cycle, at best. */
  readonly macsPerCycle: { readonly float32: number; readonly int8: number };
}

/**
 * Boards that targets stand for. Cortex-A72: one 128-bit multiply-accumulate a cycle, which is 4 floats, or 8 bytes widened to 16 bits; it has no
 * dot-product instruction (Armv8.0).
 */
const BOARDS: Readonly<Record<string, Board>> = {
  rpi4: { says: "four Cortex-A72 at 1.5 GHz", cores: 4, hertz: 1.5e9, macsPerCycle: { float32: 4, int8: 8 } },
};

/** Schemes whose multiplications are integer ones. */
const INTEGER: ReadonlySet<Candidate["scheme"]> = new Set(["static-int8", "dynamic-int8"]);

/**
 * What the figures of a report were measured on, and, where the target's device is another than this machine, what can be said of it without having
 * it: bounds and facts of the file, each with its source. A time is never carried over from one processor to another.
 */
export function basisOf(
  { target, runtime }: Pick<OptimizeJob, "target" | "runtime">,
  about: {
    readonly machine: MachineSummary;
    readonly plain: Model;
    readonly candidates: readonly Candidate[];
    readonly timedOn?: TimedOn | undefined;
  },
): { readonly basis?: FigureBasis } {
  const { machine, plain, candidates, timedOn } = about;
  if (timedOn !== undefined) return { basis: onBoth(target, runtime, { machine, timedOn }) };
  if (target.format === "onnx" && target.here === "device") return {};
  const board = Object.hasOwn(BOARDS, target.id) ? BOARDS[target.id] : undefined;
  const measured = `Every size, time, rate and cosine in this report was measured on this machine (${machine.processor}) with ${runtime.id} ${runtime.version}`;
  if (target.here === "device") return { basis: { measured, deviceIsElsewhere: false, predicted: [], unknown: [] } };
  const simulated =
    target.here === "simulated"
      ? `, which computes the same integers by the rules of the file and is not the runtime of ${target.id}`
      : "";
  return {
    basis: {
      measured: `${measured}${simulated}; nothing was measured on ${target.id}`,
      deviceIsElsewhere: true,
      predicted: [...(board === undefined ? [] : bounds(plain, board)), ...memory(plain, candidates), ...kernels(candidates)],
      unknown: [
        ...(simulated === "" ? [] : [`What the compiler of ${target.id} makes of the file: ${unverified(target)}`]),
        `The latency on ${target.id}: times and speed-ups of this machine do not carry over to another processor`,
        `Whether decisions on ${target.id} are those measured here to the last one: float kernels round differently on another processor`,
      ],
    },
  };
}

/** What figures rest on whose times a device took. */
function onBoth(
  target: OptimizeJob["target"],
  runtime: OptimizeJob["runtime"],
  { machine, timedOn }: { readonly machine: MachineSummary; readonly timedOn: TimedOn },
): FigureBasis {
  const { processor, runtimes } = timedOn.machine;
  const there = runtimes.map((r) => `${r.id} ${r.version}`).join(", ");
  return {
    measured: `Times of models and memory were measured on the device (${processor}) with ${there}; every size, rate and cosine, and times of single layers, on this machine (${machine.processor}) with ${runtime.id} ${runtime.version}`,
    deviceIsElsewhere: false,
    predicted: [],
    unknown: [
      ...timedOn.notes,
      ...(target.here === "device" ? [] : [`Whether that device is what ${target.id} stands for: nobody but its owner knows`]),
    ],
  };
}

/** What a target's row itself does not vouch for. */
function unverified({ facts = [] }: OptimizeJob["target"]): string {
  const open = facts.filter((f) => f.verified === "unverified").map((f) => f.says);
  return open.length === 0
    ? "its rules were read and not tried"
    : `its rules were read and not tried, and these not even read: ${open.join("; ")}`;
}

type Predicted = FigureBasis["predicted"];

function bounds(plain: Model, board: Board): Predicted {
  const { macs } = costOfOne(plain);
  if (!(macs > 0)) return [];
  const least = (kind: keyof Board["macsPerCycle"], cores: number): string =>
    ms((macs / (board.macsPerCycle[kind] * board.hertz * cores)) * 1000);
  return [
    {
      says: `One face takes at least ${least("float32", 1)} in float32 and at least ${least("int8", 1)} in int8 on one core (${least("float32", board.cores)} and ${least("int8", board.cores)} on ${board.cores}); real kernels reach a part of that`,
      from: `${count(macs)} multiply-accumulates over the most that ${board.says} can start: ${board.macsPerCycle.float32} floats or ${board.macsPerCycle.int8} bytes a cycle and core`,
    },
  ];
}

function memory(plain: Model, candidates: readonly Candidate[]): Predicted {
  const { peakActivationBytes } = costOfOne(plain);
  if (peakActivationBytes === undefined) return [];
  const rows = candidates
    .filter((c) => c.baseline || c.scheme === "static-int8")
    .map((c) => `${c.says} ${bytes(c.sizeBytes + (c.scheme === "static-int8" ? peakActivationBytes / 4 : peakActivationBytes))}`);
  return [
    {
      says: `Memory for weights and activations, the runtime itself apart: at least ${rows.join(", ")}`,
      from: "file size and the largest sum of values that live at once, a byte each in int8",
    },
  ];
}

function kernels(candidates: readonly Candidate[]): Predicted {
  return candidates.flatMap((c) => {
    const { delegation } = c.fusion ?? {};
    if (delegation === undefined || !INTEGER.has(c.scheme)) return [];
    const left = delegation.fallback.map((f) => `${f.count} ${f.op}`).join(", ");
    return [
      {
        says:
          left === ""
            ? `${c.says}: XNNPACK takes all ${delegation.total} operators`
            : `${c.says}: XNNPACK takes ${delegation.delegated} of ${delegation.total} operators; slower kernels compute ${left}`,
        from: `what ${delegation.runtime} delegates here; which operators XNNPACK takes does not depend on the processor`,
      },
    ];
  });
}
