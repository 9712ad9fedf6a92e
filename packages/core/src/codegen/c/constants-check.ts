import type { EmittedConstant } from "./constants.ts";

/** Generator polynomial of CRC-32 (IEEE 802.3), lowest bit first. */
const POLYNOMIAL = 0xedb88320;

/** CRC-32 (IEEE 802.3) of all numbers in turn, the lowest byte of each first. It finds every error within 32 bits, and others but for one in 2^32. */
export function constantsCrc(constants: readonly Pick<EmittedConstant, "data">[]): number {
  let crc = 0xffffffff;
  for (const { data } of constants) {
    const bits = data.BYTES_PER_ELEMENT * 8;
    const mask = bits === 32 ? 0xffffffff : (1 << bits) - 1;
    for (let i = 0; i < data.length; i++) {
      crc ^= (data[i] as number) & mask;
      for (let b = 0; b < bits; b++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0);
    }
  }
  return ~crc >>> 0;
}

/**
 * C of a function that holds all constants against their CRC-32: an inference alone shows few of the bits of its weights. Empty where there are none.
 * Numbers are read as numbers, so that the order of a processor's bytes does not matter, and through volatile, so that no compiler answers from what it knows.
 */
export function constantsCheckText(name: string, constants: readonly EmittedConstant[]): string {
  if (constants.length === 0) return "";
  const sorted = [...constants].sort((a, b) => a.data.BYTES_PER_ELEMENT - b.data.BYTES_PER_ELEMENT);
  const upTo = (size: number): number => sorted.filter(({ data }) => data.BYTES_PER_ELEMENT <= size).length;
  return `/* All constants, those of 8 bits first, then of 16, then of 32, and how many numbers each has. */
static const struct {
  const volatile void *data;
  int32_t count;
} ${name}_constants[${sorted.length}] = {
${sorted.map((c) => `  {${c.name}, ${c.data.length}},`).join("\n")}
};

/* CRC-32 (IEEE 802.3) of the constants. */
static uint32_t ${name}_constants_crc(void)
{
  uint32_t crc = 0xffffffffu;
  for (int i = 0; i < ${sorted.length}; i++) {
    const volatile void *const data = ${name}_constants[i].data;
    const int bits = i < ${upTo(1)} ? 8 : i < ${upTo(2)} ? 16 : 32;
    for (int32_t j = 0; j < ${name}_constants[i].count; j++) {
      if (bits == 8)
        crc ^= ((const volatile uint8_t *)data)[j];
      else if (bits == 16)
        crc ^= ((const volatile uint16_t *)data)[j];
      else
        crc ^= (uint32_t)((const volatile int32_t *)data)[j];
      for (int bit = 0; bit < bits; bit++)
        crc = (crc >> 1) ^ ((crc & 1u) != 0u ? 0x${POLYNOMIAL.toString(16)}u : 0u);
    }
  }
  return crc ^ 0xffffffffu;
}

static int ${name}_is_damaged(void)
{
  return ${name}_constants_crc() != 0x${constantsCrc(sorted).toString(16).padStart(8, "0")}u;
}

`;
}
