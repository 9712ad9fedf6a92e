// The few web globals that core may use: present in Node >= 20, browsers and workers. Anything else does not compile here.
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: Uint8Array): string;
}
declare class TextEncoder {
  encode(input: string): Uint8Array<ArrayBuffer>;
}
declare class AbortSignal {
  readonly aborted: boolean;
  throwIfAborted(): void;
}
declare function atob(data: string): string;
declare function btoa(data: string): string;
