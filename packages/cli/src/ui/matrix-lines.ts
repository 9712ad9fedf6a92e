import { basename } from "node:path";
import type { CompatibilityMatrix, CompatibilityPoint } from "@tessera/core/protocol/report";
import { count, far as farText, percent } from "./format.ts";
import { renderTable } from "./table.ts";

/** The matrix as text: a line per gallery and probe model at its first FAR, the adapters, and the verdict. */
export function matrixLines(matrix: CompatibilityMatrix): readonly string[] {
  const right = (title: string) => ({ title, right: true });
  const pairs = matrix.models.flatMap((enrol, i) =>
    matrix.models.flatMap((probe, j) => {
      const cell = matrix.cells[i]?.[j];
      return cell === undefined ? [] : [{ enrol: shortName(enrol), probe: shortName(probe), cell }];
    }),
  );
  const rows = pairs.flatMap(({ enrol, probe, cell }) => {
    const points = cell.points ?? [];
    if (points.length === 0) return [[enrol, probe, "-", "-", "-", "-", "-", cell.verdict ?? ""]];
    return points.map((point, n) => [
      n === 0 ? enrol : "",
      n === 0 ? probe : "",
      farText(point.far),
      figure(point.tar),
      `${percent(-point.drop.value)} ${range(point.drop, -1)}`,
      point.threshold.toFixed(4),
      point.inUse.realisedFar.toExponential(1),
      n === 0 ? (cell.verdict ?? "") : "",
    ]);
  });
  const adapters = pairs.flatMap(({ enrol, probe, cell }) => {
    const { adapter, noAdapter } = cell;
    if (noAdapter !== undefined) return [`no adapter from ${enrol} to ${probe}: ${noAdapter}`];
    if (adapter === undefined) return [];
    const gain =
      adapter.gain === undefined ? "" : `, ${sign(adapter.gain.value)} ${range(adapter.gain)} over templates as they are`;
    const first = adapter.points[0];
    const others = adapter.tried.map(({ kind, tar }) => `${kind} ${percent(tar)}`).join(", ");
    return [
      `adapter from ${enrol} to ${probe}, ${adapter.kind}, ${count(adapter.sizeBytes)} bytes, ${adapter.samples} unlabelled faces (${others})${gain}: ` +
        `${adapter.suffices ? "suffices" : "does not suffice"}`,
      ...(first === undefined ? [] : adapter.points.map((point) => `  ${adapted(point)}`)),
    ];
  });
  return [
    "",
    renderTable(
      [
        { title: "enrolled with" },
        { title: "probed with" },
        right("FAR"),
        right("TAR"),
        right("against the worse of the two"),
        right("threshold"),
        right("FAR at the gallery's"),
        { title: "verdict" },
      ],
      rows,
    ),
    ...adapters,
    matrix.verdict,
  ];
}

function adapted({ far, tar, drop, threshold, inUse }: CompatibilityPoint): string {
  return (
    `TAR@${farText(far)} ${figure(tar)}, ${percent(-drop.value)} ${range(drop, -1)} against the worse of the two, threshold ${threshold.toFixed(4)}, ` +
    `FAR ${inUse.realisedFar.toExponential(1)} at the probe's`
  );
}

interface Ranged {
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly confidence: number;
}

function figure(estimate: Ranged): string {
  return `${percent(estimate.value)} ${range(estimate)}`;
}

function range({ low, high, confidence }: Ranged, factor: 1 | -1 = 1): string {
  if (confidence === 0) return "";
  const [from, to] = factor === 1 ? [low, high] : [-high, -low];
  return `(${(from * 100).toFixed(2)}..${(to * 100).toFixed(2)})`;
}

function sign(value: number): string {
  return `${value >= 0 ? "+" : ""}${percent(value)}`;
}

/** The file's name without its folder, with what was added to it. */
function shortName(name: string): string {
  const [, path = name, added = ""] = /^(.*?)((?: \(previous\)| on [\w-]+)?(?: \(\d+\))?)$/.exec(name) ?? [];
  return basename(path) + added;
}
