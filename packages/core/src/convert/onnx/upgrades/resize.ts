import { fail } from "../../../base/error.ts";
import { attrFloats, attrString } from "../../../graph/node.ts";
import { countOf, f32 } from "../../../graph/tensor.ts";
import { hintOf, inputAt, rewritten, type UpgradeRow } from "./row.ts";

function text(value: string): { readonly kind: "string"; readonly value: string } {
  return { kind: "string", value };
}

/** Resizing and sampling: where a pixel stands, and what the modes are called. */
export const RESIZE_UPGRADES: readonly UpgradeRow[] = [
  {
    op: "Upsample",
    until: 9,
    says: "scales becomes an input",
    upgrade(node, context) {
      const scales = attrFloats(node, "scales");
      if (scales === undefined)
        throw fail("ATTRIBUTE_INVALID", "Cannot read Upsample: the attribute scales is missing", { at: { node: node.name } });
      const name = context.constant(hintOf(node, "scales"), f32([scales.length], scales));
      return [rewritten(node, { inputs: [inputAt(node, 0), name], attributes: { scales: undefined } })];
    },
  },
  {
    op: "Upsample",
    until: 10,
    says: "is called Resize from here on",
    upgrade(node) {
      // Some exporters wrote "bilinear" for "linear"; runtimes take both.
      const mode = attrString(node, "mode", "nearest");
      return [rewritten(node, { op: "Resize", attributes: { mode: text(mode === "bilinear" ? "linear" : mode) } })];
    },
  },
  {
    op: "Resize",
    until: 11,
    says: "coordinates get a mode; before, x_old = x_new / scale, rounded down for nearest",
    upgrade(node) {
      // Opset 10 is silent about rounding. Down is what PyTorch and TensorFlow meant by it and what the ONNX converter writes.
      return [
        rewritten(node, {
          inputs: [inputAt(node, 0), "", inputAt(node, 1)],
          attributes: { coordinate_transformation_mode: text("asymmetric"), nearest_mode: text("floor") },
        }),
      ];
    },
  },
  {
    op: "Resize",
    until: 13,
    says: "tf_half_pixel_for_nn goes; an unused scales or roi is absent instead of empty",
    upgrade(node, context) {
      const mode = attrString(node, "coordinate_transformation_mode", "half_pixel");
      const rounding = attrString(node, "nearest_mode", "round_prefer_floor");
      const isEmpty = (name: string): boolean => {
        const constant = context.constantOf(name);
        return constant !== undefined && countOf(constant.shape) === 0;
      };
      const [x, roi, scales, sizes] = [0, 1, 2, 3].map((i) => inputAt(node, i)) as [string, string, string, string];
      const inputs = [
        x,
        mode === "tf_crop_and_resize" ? roi : "",
        sizes !== "" && isEmpty(scales) ? "" : scales,
        isEmpty(sizes) ? "" : sizes,
      ];
      if (mode !== "tf_half_pixel_for_nn") return [rewritten(node, { inputs })];
      // That mode is half_pixel without the last -0.5: v = h + 0.5. So floor(v) is h rounded half up, and v rounded half down is ceil(h).
      const successor = { floor: "round_prefer_ceil", round_prefer_floor: "ceil" }[rounding];
      if (successor === undefined || attrString(node, "mode", "nearest") !== "nearest") {
        throw fail(
          "UNSUPPORTED_OP",
          `Cannot raise Resize with tf_half_pixel_for_nn and ${rounding}: opset 13 has no such rounding`,
          { at: { node: node.name } },
        );
      }
      return [
        rewritten(node, {
          inputs,
          attributes: { coordinate_transformation_mode: text("half_pixel"), nearest_mode: text(successor) },
        }),
      ];
    },
  },
  {
    op: "GridSample",
    until: 20,
    says: "bilinear and bicubic are called linear and cubic",
    upgrade(node) {
      const mode = attrString(node, "mode", "bilinear");
      return [rewritten(node, { attributes: { mode: text({ bilinear: "linear", bicubic: "cubic" }[mode] ?? mode) } })];
    },
  },
  {
    op: "RoiAlign",
    until: 16,
    says: "boxes are shifted by half a pixel unless told otherwise",
    upgrade(node) {
      return [rewritten(node, { attributes: { coordinate_transformation_mode: text("output_half_pixel") } })];
    },
  },
  {
    op: "Scatter",
    until: 11,
    says: "is called ScatterElements from here on",
    upgrade(node) {
      return [rewritten(node, { op: "ScatterElements" })];
    },
  },
];
