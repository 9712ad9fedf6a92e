/**
 * Every error Tessera raises on purpose has one of these codes. The row says what the class of failure is and gives the next step; the
 * message of a single error says what could not be done and why. `docs/error-codes.md` is generated from this table.
 */
export const ERROR_CODES = {
  // Bytes and files
  TRUNCATED: { says: "The file ends before its own structure does", hint: "Check that the download or copy is complete" },
  MALFORMED: {
    says: "The bytes do not follow the format",
    hint: "Open the file with the tool that wrote it and export it again",
  },
  LIMIT_EXCEEDED: {
    says: "A named limit of the reader was passed",
    hint: "Raise the limit by name in the read options if you trust the file",
  },
  TOO_LARGE: { says: "The result would not fit the format (2 GiB in protobuf)", hint: "Store the weights as external data" },
  EXTERNAL_DATA: {
    says: "A tensor lives in another file that cannot be used",
    hint: "Put the data file next to the model, inside its folder",
  },
  UNSUPPORTED_FORMAT: {
    says: "The file is of a kind Tessera does not read or write",
    hint: "Run `tessera convert --help` for the formats it knows",
  },
  IO: { says: "A file could not be read or written", hint: "Check the path and the permissions" },
  // Graphs
  GRAPH_INVALID: { says: "The graph breaks a structural rule", hint: "Run `tessera inspect` on the model that came in" },
  UNSUPPORTED_OPSET: { says: "The operator set version is outside the known range", hint: "Export with opset 7 or newer" },
  UNSUPPORTED_OP: {
    says: "An operator has no implementation for what was asked",
    hint: "See docs/ops.md for what each operator supports",
  },
  ATTRIBUTE_INVALID: {
    says: "An operator attribute is missing or out of range",
    hint: "Compare the node with the ONNX operator specification",
  },
  SHAPE_MISMATCH: {
    says: "Tensor shapes do not fit the operator",
    hint: "Run `tessera inspect` and look at the shapes before the node",
  },
  DTYPE_MISMATCH: { says: "Element types do not fit the operator", hint: "Insert a Cast, or check the exporter" },
  DATA_MISSING: {
    says: "A value was needed that is not a constant or was not fed",
    hint: "Feed every input that `tessera inspect` lists",
  },
  TEXT_SYNTAX: { says: "The text form of a graph does not parse", hint: "Compare with the cases in packages/core/cases" },
  // Passes
  PASS_BROKE_GRAPH: {
    says: "A pass produced an invalid graph",
    hint: "Report it with the model; run again with the pass skipped",
  },
  PROOF_FAILED: {
    says: "The changed model computes something else",
    hint: "Look at the failing subgraph that was written next to the output",
  },
  // Quantization
  CALIBRATION_EMPTY: { says: "There is nothing to calibrate on", hint: "Give at least 100 representative inputs with --calib" },
  CALIBRATION_NONFINITE: {
    says: "A calibration run met NaN or infinity",
    hint: "Check the declared pre-processing; run `tessera compare` on the input",
  },
  CALIBRATION_FEW: {
    says: "There are too few samples to calibrate on",
    hint: "Give at least 100 representative inputs, or go on with --few-samples and distrust the result",
  },
  CALIBRATION_CACHE: {
    says: "A calibration cache is damaged, or belongs to another network, target or data",
    hint: "Calibrate again where the images are, with this version and this model",
  },
  PLAN_INVALID: {
    says: "The quantization plan contradicts itself, the model or the target",
    hint: "Delete the entry named in the message",
  },
  SCHEDULE_INVALID: {
    says: "A memory plan failed the check that follows every plan",
    hint: "Report it with the model; it is a fault of Tessera",
  },
  UNKNOWN_TARGET: { says: "There is no such target", hint: "Run `tessera inspect --targets` for the list" },
  TARGET_RULE: { says: "The target's rules forbid what was asked", hint: "Pick another scheme or another target" },
  // Runtimes
  RUNTIME_MISSING: { says: "An optional runtime is not installed", hint: "Install the package named in the message" },
  RUNTIME_FAILED: { says: "The runtime refused the model or the inputs", hint: "Read the runtime's own words in the cause" },
  AGENT_REFUSED: {
    says: "The agent on a device does not let this machine use it",
    hint: "Give the agent's own token with --token-file; wait where somebody else is measuring",
  },
  // Biometrics
  INSUFFICIENT_DATA: {
    says: "There are too few comparisons for the figure",
    hint: "Add the number of comparisons named in the message, or ask for a higher FAR",
  },
  SCORES_INVALID: {
    says: "Scores are missing, not finite or of one class only",
    hint: "Check the pair list and the model's output",
  },
  // Modality
  CARD_INVALID: {
    says: "The model card is missing or contradicts the model",
    hint: "Write one next to the model as NAME.card.json, see docs/model-card.md",
  },
  IMAGE_INVALID: { says: "The picture cannot be used", hint: "Use JPEG, PNG or PGM of at least the size named in the message" },
  AUDIO_INVALID: {
    says: "The sound cannot be used",
    hint: "Use WAV (PCM or float, 4 to 384 kHz) within the limits named in the message",
  },
  FACE_NOT_FOUND: { says: "No face was found in a picture", hint: "Lower --min-score or give aligned crops with --aligned" },
  DATASET_INVALID: {
    says: "A manifest or pair list cannot be used",
    hint: "First column `path`; pairs as path_a,path_b,genuine",
  },
  // The gateway
  GATEWAY_BUSY: { says: "The gateway has as much work waiting as it takes on", hint: "Try again in a second" },
  GATEWAY_CONFIG: {
    says: "The gateway's configuration cannot be used",
    hint: "Mend the field named in the message, see docs/gateway.md",
  },
  AUTH_MISSING: {
    says: "The call carries no token that the gateway knows",
    hint: "Send `Authorization: Bearer TOKEN`; make one with `tessera gateway token add`",
  },
  AUTH_FORBIDDEN: { says: "The token's role does not allow the call", hint: "Use a token of the role named in the message" },
  REQUEST_INVALID: { says: "The request does not follow the API", hint: "Compare it with the table of calls in docs/gateway.md" },
  REQUEST_TOO_LARGE: { says: "The request is larger than the gateway takes", hint: "Send a smaller picture or a shorter sound" },
  MEDIA_UNSUPPORTED: { says: "A part is of a kind the gateway does not take", hint: "Send JPEG, PNG, PGM or PPM, and WAV" },
  NOT_FOUND: { says: "There is nothing of that name", hint: "Ask for the list of subjects, or look at the address" },
  NONCE_INVALID: {
    says: "The nonce is not one this gateway gave to this caller, or it ran out",
    hint: "Ask for a new challenge",
  },
  NONCE_USED: { says: "The nonce was used before", hint: "Ask for a new challenge for every try" },
  RATE_LIMITED: { says: "The caller asks too often", hint: "Wait as long as the Retry-After header says" },
  ENROL_REFUSED: {
    says: "A capture cannot be enrolled",
    hint: "Take the captures again as the reasons say; nothing was stored",
  },
  INTERNAL: { says: "The gateway failed", hint: "Look into its log under the request's id" },
  // The gateway's store and keys
  STORE_DAMAGED: {
    says: "The store was altered, cut or mixed up after it was written; it stays shut",
    hint: "Restore the whole folder from a copy made while the gateway was stopped, or enrol anew in an empty folder",
  },
  STORE_ROLLED_BACK: {
    says: "The store is older than what its anchor has seen",
    hint: "Find out who put an old copy back; to start anew on purpose, remove the store and its anchor together",
  },
  STORE_FULL: {
    says: "The store or its disk has no room",
    hint: "Delete people who left, free the disk, or raise the limit by name",
  },
  STORE_BUSY: { says: "Another process has the store open", hint: "Stop the other gateway that uses this folder" },
  STORE_FAILED: {
    says: "The store stopped because a write failed, and answers nothing until it is opened again",
    hint: "Look at the disk, then restart the gateway",
  },
  KEY_UNAVAILABLE: {
    says: "The key provider cannot be asked",
    hint: "Check the passphrase source, the tools and the device named in the message",
  },
  KEY_REJECTED: {
    says: "The key does not open the store: another passphrase, another device or an altered key file",
    hint: "Start the gateway with the passphrase and the device id the store was made with",
  },
  // The command
  USAGE: { says: "The command line is wrong", hint: "Run the verb with --help" },
  INTEGRITY: {
    says: "A downloaded file is not the one that was pinned",
    hint: "Empty the cache and try again; do not use the file",
  },
  OFFLINE: {
    says: "A needed package is neither cached nor reachable",
    hint: "Connect once, or copy the cache from another machine",
  },
  INTERRUPTED: { says: "The work was interrupted", hint: "Nothing half-written was left; start it again" },
} as const satisfies Record<string, { readonly says: string; readonly hint: string }>;

/** One of the keys of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;
