/** Version of the command, also written into reports and artefacts. */
export const TESSERA_VERSION = "0.1.0";
