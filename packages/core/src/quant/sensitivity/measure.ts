import { fail } from "../../base/error.ts";
import { type Embeddings, embeddings } from "../../biometrics/similarity.ts";
import type { Model } from "../../graph/model.ts";
import type { QuantPlan } from "../../graph/plan.ts";
import { scaleChannels } from "../../graph/quantize-channels.ts";
import type { Feeds, Session } from "../../graph/runtime.ts";
import { type Tensor, view } from "../../graph/tensor.ts";
import type { Target } from "../../targets/target.ts";
import type { Samples } from "../observe.ts";
import { placeIntegers } from "../placement.ts";
import { type NodeGroup, nodeGroups } from "../search/groups.ts";
import { type ResultMemory, rememberer } from "./memory.ts";
import { restrictPlan } from "./restrict-plan.ts";
import { type ApplyPlan, floatPart, plannedPart, type Stage, stagesOf } from "./stages.ts";

/** `alone`: nothing but the group is in integers. `reverted`: everything but the group is. */
export type SensitivityMode = "alone" | "reverted";

/** What measuring a group gave. */
export interface GroupResult<V> extends NodeGroup {
  /** Values from which its part of the network was run. */
  readonly cut: readonly string[];
  readonly alone?: V;
  readonly reverted?: V;
}

/** What {@link measureSensitivity} found. */
export interface Sensitivity<V> {
  readonly kind: "sensitivity";
  readonly samples: number;
  /** The whole network in float, and by the plan: judged like the groups. */
  readonly float: V;
  readonly integer: V;
  /** In graph order. */
  readonly groups: readonly GroupResult<V>[];
  /** How it was run: distinct cuts, blocks of samples, and the most bytes that crossing values took at a time. */
  readonly cuts: number;
  readonly blocks: number;
  readonly cachedBytes: number;
}

/** Progress of {@link measureSensitivity}: of the runs of parts over blocks of samples. */
export interface SensitivityProgress {
  readonly done: number;
  readonly total: number;
}

/** Options of {@link measureSensitivity}. */
export interface SensitivityOptions<V> {
  /** Whose rules made the plan. */
  readonly target: Target;
  readonly apply: ApplyPlan;
  /** Opens a model on the host runtime. At most four sessions are open at a time, two of them running; best when each has a thread of its own. */
  readonly open: (model: Model) => Promise<Session>;
  /** From the first one each time; read once for every measurement that is not remembered. */
  readonly samples: () => Samples;
  /** How many samples there are. */
  readonly count: number;
  /** Judges embeddings of the samples, one row each as the network gives them, not normalised. Its verdicts are plain JSON where there is a memory. */
  readonly judge: (embeddings: Embeddings) => V;
  /** The embedding; the first output unless given. */
  readonly output?: string;
  readonly modes?: readonly SensitivityMode[];
  /** Groups to measure; unless given, all of {@link nodeGroups}. */
  readonly groups?: readonly NodeGroup[];
  /** Bound of the values kept at cuts. */
  readonly cacheBytes?: number;
  readonly maxTensors?: number;
  /** Keeps results over an interruption. */
  readonly memory?: ResultMemory;
  /** With a memory: says which float network, samples and judge these are, by digests of their content. */
  readonly identity?: string;
  readonly onProgress?: (progress: SensitivityProgress) => void;
  readonly signal?: AbortSignal;
}

/** Defaults of {@link SensitivityOptions}. */
export const SENSITIVITY_DEFAULTS = { cacheBytes: 256 * 1024 * 1024, modes: ["alone", "reverted"] } as const;

/** A measurement: a group in a mode, or the whole network. */
interface Task {
  readonly name: string;
  readonly group: NodeGroup | undefined;
  readonly mode: SensitivityMode | "float" | "integer";
}

/** Values at a cut for each sample of a block: what the float network has there, and what the plan's has. */
interface Frontier {
  float: Feeds[];
  integer: Feeds[];
}

/**
 * What every group of integer nodes costs by itself, and what putting it back into float gains, by running for each only the rest of the network from the
 * nearest place before it where few tensors cross. A block of samples moves through the network cut by cut, the float values and those of the plan
 * beside each other; at each cut the groups that start there are run to the end, a session for each opened and closed again. So every sample goes through the
 * common part once, one cut's values are in memory at a time, and a block is as long as those fit the bound.
 *
 * For the 63 groups of a MobileFaceNet in both modes: 0.57 s of processor time for a face where whole networks take about 1.1 s, and 5 s for opening
 * 252 sessions; 3 MiB for a face of a block.
 *
 * The partly integer networks are those of {@link restrictPlan}. A part gives what the whole network gives, bit for bit where integers cross; where floats do,
 * up to what a runtime fuses across the cut (5e-5 of a unit embedding on ONNX Runtime, from residual sums).
 *
 * @throws DATA_MISSING when there are fewer samples than said, PLAN_INVALID for a plan that cannot be restricted
 */
export async function measureSensitivity<V>(
  model: Model,
  plan: QuantPlan,
  options: SensitivityOptions<V>,
): Promise<Sensitivity<V>> {
  const { target, count, judge } = options;
  const settings = { ...SENSITIVITY_DEFAULTS, ...options };
  const scaled = scaleChannels(model, plan.channelScales ?? new Map());
  const output = options.output ?? (scaled.graph.outputs[0]?.name as string);
  const inFloat = new Map([...plan.nodes].flatMap(([name, c]) => (c.precision === "float32" ? [[name, c.reason] as const] : [])));
  const groups = options.groups ?? nodeGroups(scaled, placeIntegers(scaled, target, { keepFloat: inFloat }));
  const memory = rememberer<V>(options.memory, { plan, output, identity: options.identity });
  const stages = stagesOf(scaled, plan, groups, { ...settings, output, samples: count, copies: 2 });
  const cachedMost = 2 * Math.max(1, ...stages.map((s) => s.bytes));
  const block = Math.max(1, Math.min(count, Math.floor(settings.cacheBytes / cachedMost)));
  const blocks = Math.ceil(count / block);

  const whole: readonly Task[] = (["float", "integer"] as const).map((mode) => ({ name: mode, group: undefined, mode }));
  const tasksOf = (group: NodeGroup): readonly Task[] =>
    settings.modes.map((mode) => ({ name: `${mode} ${group.nodes.join(" ")}`, group, mode }));
  const tasks = [...whole, ...groups.flatMap(tasksOf)];
  const verdicts = new Map<string, V>();
  for (const task of tasks) {
    const known = await memory.verdict(task.name);
    if (known !== undefined) verdicts.set(task.name, known);
  }
  const rows = new Map<string, Float32Array>();
  const total = tasks.length * blocks;
  let done = verdicts.size * blocks;
  options.onProgress?.({ done, total });

  /** Runs a part over the frontier's samples and keeps their embeddings. */
  const finish = async (task: Task, part: Model, values: readonly Feeds[], first: number): Promise<void> => {
    const key = `${task.name} from ${first}`;
    let found = await memory.rows(key);
    if (found === undefined) {
      const made: Float32Array[] = [];
      await run(part, values, options, (_, outputs, feeds) => {
        made.push(Float32Array.from(view(crossing(output, outputs, feeds), "float32")));
      });
      found = joined(made);
      // What one block is finished with is judged at once, and only the verdict kept.
      if (blocks > 1) await memory.keepRows(key, found);
    }
    const dim = found.length / values.length;
    const all = rows.get(task.name) ?? new Float32Array(count * dim);
    rows.set(task.name, all);
    all.set(found, first * dim);
    if (first + values.length === count) {
      const verdict = judge(embeddings(all, dim));
      verdicts.set(task.name, verdict);
      rows.delete(task.name);
      await memory.keepVerdict(task.name, verdict);
    }
    options.onProgress?.({ done: ++done, total });
  };

  const through = async (feeds: readonly Feeds[], first: number): Promise<void> => {
    const frontier: Frontier = { float: [...feeds], integer: [...feeds] };
    let here: readonly string[] = scaled.graph.inputs.map((i) => i.name);
    for (const { cut, groups: own } of stages) {
      const pending = own.flatMap(tasksOf).filter((task) => !verdicts.has(task.name));
      if (pending.length === 0) continue;
      await advance(frontier, here, cut.tensors);
      here = cut.tensors;
      // One task of each mode side by side: two cores, two sessions.
      for (let i = 0; i < pending.length; i += settings.modes.length)
        await both(
          pending.slice(i, i + settings.modes.length).map(async (task) => {
            const group = task.group as NodeGroup;
            const kept = task.mode === "reverted" ? group.nodes : others(groups, group, plan);
            const restricted = restrictPlan(scaled, plan, { target, keepFloat: because(kept, task.mode) });
            const part = plannedPart(scaled, restricted, { from: cut.tensors, to: [output], apply: options.apply });
            await finish(task, part, task.mode === "reverted" ? frontier.integer : frontier.float, first);
          }),
        );
    }
    await both(
      whole
        .filter((task) => !verdicts.has(task.name))
        .map((task) =>
          task.mode === "float"
            ? finish(task, floatPart(scaled, here, [output]), frontier.float, first)
            : finish(
                task,
                plannedPart(scaled, plan, { from: here, to: [output], apply: options.apply }),
                frontier.integer,
                first,
              ),
        ),
    );
  };

  const advance = async (frontier: Frontier, from: readonly string[], to: readonly string[]): Promise<void> => {
    if (to.every((name) => from.includes(name))) return;
    const carry = (into: Feeds[]) => (i: number, outputs: Feeds, feeds: Feeds) => {
      into[i] = new Map(to.map((name) => [name, crossing(name, outputs, feeds)]));
    };
    const planned = plannedPart(scaled, plan, { from, to, apply: options.apply });
    await both([
      run(floatPart(scaled, from, to), frontier.float, options, carry(frontier.float)),
      run(planned, frontier.integer, options, carry(frontier.integer)),
    ]);
  };

  if (tasks.some((task) => !verdicts.has(task.name))) {
    let seen = 0;
    let feeds: Feeds[] = [];
    for await (const sample of options.samples()) {
      if (seen + feeds.length === count) break;
      feeds.push(sample);
      if (feeds.length < block && seen + feeds.length < count) continue;
      const taken = feeds;
      feeds = [];
      await through(taken, seen);
      seen += taken.length;
    }
    if (seen < count) throw fail("DATA_MISSING", `Cannot measure on ${count} samples: there are ${seen + feeds.length}`);
  }
  const verdictOf = (name: string): V => verdicts.get(name) as V;
  return {
    kind: "sensitivity",
    samples: count,
    float: verdictOf("float"),
    integer: verdictOf("integer"),
    groups: groups.map((group) => ({
      ...group,
      cut: stageOf(stages, group).cut.tensors,
      ...Object.fromEntries(tasksOf(group).map((task) => [task.mode, verdictOf(task.name)])),
    })),
    cuts: stages.length,
    blocks,
    cachedBytes: block * cachedMost,
  };
}

function stageOf(stages: readonly Stage<NodeGroup>[], group: NodeGroup): Stage<NodeGroup> {
  return stages.find((stage) => stage.groups.includes(group)) as Stage<NodeGroup>;
}

/** What has to be in float for a group to be in integers alone: the other groups, and whatever would bring several values onto one grid. */
function others(groups: readonly NodeGroup[], group: NodeGroup, plan: QuantPlan): readonly string[] {
  const own = new Set(group.nodes);
  const grouped = new Set(groups.flatMap((g) => g.nodes));
  const joining = [...plan.nodes].filter(([name, c]) => !grouped.has(name) && c.reason.startsWith("computes on the one grid"));
  return [...groups.flatMap((g) => g.nodes).filter((name) => !own.has(name)), ...joining.map(([name]) => name)];
}

function because(names: readonly string[], mode: string): ReadonlyMap<string, string> {
  return new Map(names.map((name) => [name, `kept in float to measure (${mode})`] as const));
}

function crossing(name: string, outputs: Feeds, feeds: Feeds): Tensor {
  const value = outputs.get(name) ?? feeds.get(name);
  if (value === undefined) throw fail("DATA_MISSING", `Cannot go on without ${name}: the runtime did not return it`);
  return value;
}

/** Runs a part over samples one after the other; values that it does not read are left out. */
async function run(
  part: Model,
  values: readonly Feeds[],
  { open, signal }: { readonly open: (model: Model) => Promise<Session>; readonly signal?: AbortSignal },
  visit: (index: number, outputs: Feeds, feeds: Feeds) => void,
): Promise<void> {
  signal?.throwIfAborted();
  const session = await open(part);
  const read = part.graph.inputs.map((i) => i.name);
  try {
    for (const [i, feeds] of values.entries()) {
      signal?.throwIfAborted();
      visit(i, await session.run(new Map(read.map((name) => [name, crossing(name, feeds, feeds)]))), feeds);
    }
  } finally {
    await session.close();
  }
}

/** Waits for all, even when one fails: no session is left running. */
async function both(work: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
