import type { QualityCode, QualityNote } from "@tessera/core/protocol/gateway-api";

/** What the person at the device is told, by code. */
const SAYS = {
  "no-face": "Look into the camera",
  "several-faces": "Only one person in the picture, please",
  "face-small": "Come closer",
  "face-cut": "Move into the middle of the picture",
  "face-turned": "Look straight into the camera",
  blurred: "Hold still",
  dark: "More light, please",
  bright: "Less light, please",
  silent: "Speak up",
  short: "Speak a little longer",
  clipped: "Speak more softly, or farther from the microphone",
  noisy: "Find a quieter place",
  unreadable: "The capture could not be read: take another",
} as const satisfies Record<QualityCode, string>;

/** The note of a code. */
export function noteOf(code: QualityCode): QualityNote {
  return { code, says: SAYS[code] };
}
