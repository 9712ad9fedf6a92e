import { isTesseraError } from "@tessera/core/base/error";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { boundaryOf, parseMultipart } from "./multipart.ts";

function bodyOf(parts: readonly { readonly name: string; readonly bytes: Uint8Array }[], boundary: string): Uint8Array {
  const chunks = parts.flatMap(({ name, bytes }) => [
    Buffer.from(
      `--${boundary}\r\nContent-Disposition: form-data; name="${name}"; filename="a;b.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`,
    ),
    bytes,
    Buffer.from("\r\n"),
  ]);
  return Buffer.concat([...chunks, Buffer.from(`--${boundary}--\r\n`)]);
}

const broken = (words: string) => expect.objectContaining({ code: "REQUEST_INVALID", message: expect.stringContaining(words) });

describe("boundaryOf", () => {
  test("reads plain and quoted boundaries", () => {
    expect(boundaryOf("multipart/form-data; boundary=abc")).toBe("abc");
    expect(boundaryOf('Multipart/Form-Data; charset=utf-8; Boundary="a b:c"')).toBe("a b:c");
  });
  test("refuses other types and boundaries that are none", () => {
    for (const type of [undefined, "", "text/plain", "multipart/form-dataX; boundary=a", "multipart/mixed; boundary=a"])
      expect(() => boundaryOf(type)).toThrow(expect.objectContaining({ code: "MEDIA_UNSUPPORTED" }));
    for (const type of [
      "multipart/form-data",
      "multipart/form-data; boundary=",
      `multipart/form-data; boundary=${"x".repeat(71)}`,
      'multipart/form-data; boundary="a "',
      "multipart/form-data; boundary=é",
    ])
      expect(() => boundaryOf(type)).toThrow(broken("boundary"));
  });
});

describe("parseMultipart", () => {
  test("gives back any parts that were put together, as views", () => {
    const part = fc.record({ name: fc.stringMatching(/^[a-z]{1,8}$/), bytes: fc.uint8Array({ maxLength: 200 }) });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const boundary = "----tessera-7f3a";
        const body = bodyOf(parts, boundary);
        if (parts.length === 0) return;
        const parsed = parseMultipart(body, boundary);
        expect(parsed.map((p) => [p.name, [...p.bytes]])).toEqual(parts.map((p) => [p.name, [...p.bytes]]));
        for (const { bytes } of parsed) expect(bytes.buffer).toBe(body.buffer);
      }),
    );
  });

  test("takes a part whose bytes hold line breaks and dashes like those of a boundary", () => {
    const bytes = Buffer.from("\r\n--b\r\n\r\n--bounds\r\n--");
    expect(parseMultipart(bodyOf([{ name: "image", bytes }], "boundary"), "boundary")[0]?.bytes).toEqual(bytes);
  });

  test("refuses whatever is not a form, saying why", () => {
    const head = '--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n';
    const cases: readonly [string, string][] = [
      ["", "does not begin"],
      ["preamble\r\n--b--", "does not begin"],
      ["--b\nContent", "line break"],
      ["--b", "line break"],
      ["--b\r\nContent-Disposition", "does not end within"],
      [`--b\r\nX: ${"y".repeat(5000)}\r\n\r\n`, "does not end within"],
      [`${head}data`, "does not end with"],
      [`${head}data\r\n--b`, "line break"],
      ["--b\r\n\r\n\r\ndata\r\n--b--", "list of fields"],
      ["--b\r\nX: 1\r\n\r\ndata\r\n--b--", "no name"],
      ['--b\r\nContent-Disposition: attachment; name="x"\r\n\r\ndata\r\n--b--', "no name"],
      [
        `--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Disposition: form-data; name="y"\r\n\r\ndata\r\n--b--`,
        "two dispositions",
      ],
      [
        `--b\r\nContent-Disposition: form-data; name="x"\r\nContent-Transfer-Encoding: base64\r\n\r\ndata\r\n--b--`,
        "transfer encoding",
      ],
      [`${`${head}\r\n`.repeat(33)}--b--`, "more than 32 parts"],
    ];
    for (const [body, words] of cases)
      expect(() => parseMultipart(Buffer.from(body), "b"), body.slice(0, 60)).toThrow(broken(words));
  });

  test("whatever is done to a body, it is parsed or refused, never worse", () => {
    const body = bodyOf(
      [
        { name: "image", bytes: Buffer.alloc(64, 7) },
        { name: "nonce", bytes: Buffer.from("abc") },
      ],
      "b",
    );
    const edit = fc.record({ at: fc.nat(body.length - 1), cut: fc.nat(40), put: fc.uint8Array({ maxLength: 8 }) });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let bytes: Uint8Array = body;
        for (const { at, cut, put } of edits) bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)]);
        try {
          parseMultipart(bytes, "b");
        } catch (error) {
          expect(isTesseraError(error) && error.code).toBe("REQUEST_INVALID");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
