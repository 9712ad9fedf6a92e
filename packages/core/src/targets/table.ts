import { fail } from "../base/error.ts";
import { APPLE_ANE } from "./coreml.ts";
import { CORTEX_M4, CORTEX_M7, CORTEX_M55 } from "./cortex.ts";
import { LITERT, LITERT_XNNPACK, RPI4 } from "./litert.ts";
import { MEDIATEK_NEUROPILOT } from "./nnapi.ts";
import { INTEL_OPENVINO } from "./openvino.ts";
import { ORT_ARM, ORT_WEB, ORT_X64, ORT_X64_NOVNNI } from "./ort.ts";
import { SNAPDRAGON_HTP } from "./qnn.ts";
import type { Target } from "./target.ts";
import { JETSON_NANO } from "./tensorrt.ts";
import { CORTEX_M } from "./tflm.ts";

/** Every target, in plain sight. */
export const TARGETS: readonly Target[] = [
  ORT_X64,
  ORT_X64_NOVNNI,
  ORT_ARM,
  ORT_WEB,
  LITERT,
  LITERT_XNNPACK,
  RPI4,
  JETSON_NANO,
  SNAPDRAGON_HTP,
  APPLE_ANE,
  MEDIATEK_NEUROPILOT,
  INTEL_OPENVINO,
  CORTEX_M,
  CORTEX_M4,
  CORTEX_M7,
  CORTEX_M55,
];

/** The target of that id. @throws UNKNOWN_TARGET with the list of ids */
export function targetById(id: string): Target {
  const found = TARGETS.find((t) => t.id === id);
  if (found === undefined)
    throw fail("UNKNOWN_TARGET", `Cannot use target "${id}": known are ${TARGETS.map((t) => t.id).join(", ")}`);
  return found;
}
