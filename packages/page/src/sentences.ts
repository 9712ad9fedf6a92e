import type { GatewayModality, ModalityOutcome, QualityCode } from "@tessera/core/protocol/gateway-api";
import type { ProblemKind } from "./problem.ts";

/** What the page says about each thing that can be wrong with a capture: an instruction the person can follow at once. */
export const GUIDANCE = {
  "no-face": "Put your face in the oval",
  "several-faces": "Only one person at a time, please",
  "face-small": "Come closer",
  "face-cut": "Move so that your whole face can be seen",
  "face-turned": "Look straight into the camera",
  blurred: "Hold still for a moment",
  dark: "It is too dark: turn towards the light",
  bright: "It is too bright: turn away from the light",
  silent: "I cannot hear you: speak up",
  short: "Please say the whole sentence",
  clipped: "That is too loud: speak more softly or step back",
  noisy: "It is noisy here: come closer to the microphone",
  unreadable: "That could not be read: please try again",
} as const satisfies Record<QualityCode, string>;

/** What became of a face or a voice, in a few words. */
export const OUTCOMES = {
  match: "matches",
  "no-match": "does not match",
  "not-live": "looks like a picture or a screen, not a person",
  "poor-quality": "could not be used",
  "not-enrolled": "is not enrolled",
  "not-sent": "was not sent",
  "not-compared": "could be used",
} as const satisfies Record<ModalityOutcome, string>;

/** Names of the modalities. */
export const MODALITIES = { face: "Face", voice: "Voice" } as const satisfies Record<GatewayModality, string>;

/** What went wrong, and what the person can do about it. */
export const PROBLEMS = {
  offline: { title: "The gateway does not answer", says: "Check that the device is on. This page tries again by itself." },
  unauthorised: {
    title: "A token is needed",
    says: "This gateway does not know you. Enter the token that its operator gave you.",
  },
  forbidden: { title: "Not allowed with this token", says: "This needs the token of an operator." },
  busy: { title: "The gateway is busy", says: "Many people are at the door. Try again in a moment." },
  refused: { title: "The gateway refused", says: "It could not use what was sent." },
  "camera-denied": {
    title: "The camera is blocked",
    says: "Allow the camera for this page in the browser, or choose pictures from a file.",
  },
  "camera-missing": { title: "No camera found", says: "Connect a camera, or choose pictures from a file." },
  "camera-busy": { title: "The camera is in use", says: "Close the other program that uses it, then try again." },
  "microphone-denied": {
    title: "The microphone is blocked",
    says: "Allow the microphone for this page in the browser, or choose a recording from a file.",
  },
  "microphone-missing": { title: "No microphone found", says: "Connect a microphone, or choose a recording from a file." },
  "microphone-busy": { title: "The microphone is in use", says: "Close the other program that uses it, then try again." },
  insecure: {
    title: "Camera and microphone need a safe connection",
    says: "Open this page by https or on the device itself, or choose files.",
  },
  "file-unreadable": { title: "This file cannot be read", says: "Choose a JPEG or PNG picture, or a WAV recording." },
  "timed-out": { title: "Nobody there?", says: "Camera and microphone were switched off. Start again when you are ready." },
} as const satisfies Record<ProblemKind, { readonly title: string; readonly says: string }>;

/** Sentences to read aloud, each about three seconds long: any words will do, but a person who has to invent some falls silent. */
export const PHRASES = [
  "The harbour wakes before the town does.",
  "My suitcase is heavier than yesterday.",
  "Seven small lamps burn along the river.",
  "Nobody asked the gardener about the rain.",
  "The last train leaves a little after nine.",
] as const;

/** Everything else the page says. `{name}` is filled in. */
export const SENTENCES = {
  title: "Tessera",
  skip: "Skip to the content",

  tabs: "What to do",
  tabVerify: "Verify",
  tabIdentify: "Identify",
  tabEnrol: "Enrol",
  tabPeople: "People",

  gatewayReady: "Gateway ready",
  gatewayDegraded: "Gateway has problems",
  gatewayOffline: "Gateway offline",
  gatewayAsking: "Looking for the gateway",

  verifyTitle: "Is it you?",
  verifySays: "Say who you are, look into the camera and read a sentence aloud. Nothing leaves this device.",
  identifyTitle: "Who is there?",
  identifySays: "Look into the camera and read a sentence aloud. The gateway looks among all who are enrolled.",
  enrolTitle: "Add a person",
  enrolSays: "Several pictures and sentences make a good template. Only the template is kept, encrypted, on the gateway.",

  subjectLabel: "Name or number",
  subjectHint: "The name this person has on the gateway",
  subjectMissing: "Enter a name or number first",
  subjectInvalid: "Use letters, digits and . _ @ + - only, beginning with a letter or digit, at most {max}",
  withFace: "Face",
  withVoice: "Voice",
  withWhat: "Use",
  withNothing: "Choose face, voice or both",
  start: "Start",
  stop: "Stop",
  takeNow: "Take the picture now",
  again: "Try again",
  finish: "Done",
  enterToken: "Enter a token",
  withoutVoice: "Go on without voice",
  withoutFace: "Go on without face",
  useFiles: "Choose files instead",
  filesFold: "Use files instead of camera and microphone",
  filesFace: "Pictures of the face (JPEG or PNG)",
  filesVoice: "Recordings of the voice (WAV)",
  filesSend: "Send the files",
  filesMissing: "Choose at least one file",

  preview: "Mirror image of the camera",
  meter: "Loudness",
  opening: "Allow camera and microphone if the browser asks",
  faceSearching: "Put your face in the oval",
  faceGood: "Good, hold still",
  faceManual: "Put your face in the oval, then take the picture",
  faceMore: "Good. Turn your head a little, then look back",
  faceCount: "Picture {taken} of {wanted}",
  voiceWaiting: "Now read this sentence aloud",
  voiceHearing: "I am listening",
  voiceCount: "Sentence {taken} of {wanted}",
  sending: "The gateway is looking and listening",
  sendingBusy: "The gateway is busy, trying again",

  accepted: "Welcome, {subject}",
  acceptedNobody: "Welcome",
  rejected: "Not recognised",
  retry: "Once more, please",
  retrySays: "This did not count as a wrong try.",
  locked: "Locked for now",
  lockedSays: "It opens again in {time}.",
  lockedOver: "You can try again now.",
  enrolled: "{subject} is enrolled",
  notEnrolled: "Not enrolled yet",
  notEnrolledSays: "Nothing was stored.",
  enrolledPart: "{modality}: {samples}",
  sampleOne: "1 capture",
  sampleMany: "{count} captures",
  modalityOutcome: "{modality} {outcome}",
  modalityNote: "{modality} {outcome}. {note}",
  answeredIn: "Answered in {time}",

  peopleTitle: "People",
  peopleSays: "Everybody who is enrolled on this gateway.",
  peopleNone: "Nobody is enrolled yet.",
  peopleLoading: "Reading the list",
  peopleCount: "{count} people",
  peopleOne: "1 person",
  peopleFind: "Find",
  peopleEnrolled: "enrolled {date}",
  peopleDelete: "Delete",
  peopleDeleteLabel: "Delete {subject}",
  peopleDeleted: "{subject} was deleted",
  peopleRefresh: "Read again",
  peopleHidden: "{count} more: narrow the list with the field above",

  deleteTitle: "Delete {subject}?",
  deleteSays: "The templates of this person are erased from the gateway. This cannot be undone.",
  deleteYes: "Delete for good",
  cancel: "Cancel",

  token: "Token",
  tokenTitle: "Token",
  tokenSays: "It is kept in this tab only and forgotten when the tab is closed.",
  tokenLabel: "Token of this gateway",
  tokenSave: "Use this token",
  tokenForget: "Forget the token",

  measurements: "Measurements",
  measurementsNone: "Verify, identify or enrol: what the gateway measured appears here.",
  stagesTitle: "Time by stage",
  stagesCaption: "Stages of the last request, milliseconds",
  stage: "Stage",
  stageTime: "ms",
  stageBar: "Share",
  stageShared: "request",
  stageTotal: "Gateway, all",
  stageRoundTrip: "With the network",
  scoresTitle: "Scores",
  scoresCaption: "Scores against thresholds",
  scoresHidden: "Scores are shown to the token of a developer only.",
  scoreKind: "What",
  score: "Score",
  threshold: "Threshold",
  scoreMargin: "Margin",
  scoreComparison: "{modality}: comparison",
  scoreLiveness: "{modality}: P(real)",
  scoreFused: "Fused, log-likelihood ratio",
  qualityTitle: "{modality}: quality",
  qualityCaption: "Quality figures of the last captures",
  qualityFigure: "Figure",
  qualityValue: "Value",
  modelsTitle: "Models",
  modelsCaption: "Models of this gateway",
  modelRole: "Role",
  modelName: "Name",
  modelRuntime: "Runtime",
  modelLicence: "Licence",
  liveLine: "{modality} looked at in {time}",

  secondsShort: "{seconds} s",
  minutesShort: "{minutes} min {seconds} s",
} as const;

/** Key of a sentence. */
export type SentenceKey = keyof typeof SENTENCES;

/** A sentence with its `{name}`s filled in; a name without a value stays as it is, so that a slip is seen. */
export function say(key: SentenceKey, values: Readonly<Record<string, string | number>> = {}): string {
  return SENTENCES[key].replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(values, name) ? String(values[name]) : whole,
  );
}
