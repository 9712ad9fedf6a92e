/**
 * What the generated test program asks of a board; each family implements it in its start-up file. Files are those of the emulator's working
 * directory, reached by semihosting. The counter wraps at 2^32: only differences mean something.
 */
export const LAB_HEADER = `#ifndef LAB_H
#define LAB_H
#include <stdint.h>
int lab_open(const char *name, int write);
int lab_read(int file, void *to, uint32_t bytes);
int lab_write(int file, const void *from, uint32_t bytes);
void lab_say(const char *text);
void lab_exit(int code);
uint32_t lab_count(void);
void lab_paint(void);
uint32_t lab_deepest(void);
void lab_loop(uint32_t rounds);
void lab_profile(int layer);
#endif
`;

/** The two functions of libc that generated C may call, for compilers that come without libc. */
export const STRING_HEADER = `#ifndef LAB_STRING_H
#define LAB_STRING_H
#include <stddef.h>
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
#endif
`;

/** Their definitions. Loops that the compiler must not turn into calls of themselves. */
export const STRING_SOURCE = `#include <stddef.h>
#include <stdint.h>
void *memcpy(void *to, const void *from, size_t bytes) {
  unsigned char *d = to;
  const unsigned char *s = from;
  if ((((uintptr_t)d | (uintptr_t)s) & 3u) == 0) {
    for (; bytes >= 4; bytes -= 4, d += 4, s += 4) *(volatile uint32_t *)(void *)d = *(const uint32_t *)(const void *)s;
  }
  for (; bytes != 0; bytes--) *(volatile unsigned char *)d++ = *s++;
  return to;
}
void *memset(void *to, int value, size_t bytes) {
  volatile unsigned char *d = to;
  for (; bytes != 0; bytes--) *d++ = (unsigned char)value;
  return to;
}
`;

/**
 * Files and text by semihosting, and the stack's high-water mark: the part that Arm and RISC-V share. A family defines \`trap\` before it.
 * The mark is taken below the stack pointer of who paints.
 */
const SEMIHOSTING = String.raw`
enum { SYS_OPEN = 0x01, SYS_WRITE0 = 0x04, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT_EXTENDED = 0x20, STOPPED = 0x20026 };
extern uint32_t lab_stack_low[], lab_stack_high[];
static uint32_t *painted_to;

int lab_open(const char *name, int write) {
  uint32_t block[3] = {(uint32_t)name, write ? 5u : 1u, 0};
  while (name[block[2]] != 0) block[2]++;
  return trap(SYS_OPEN, block);
}
/* Both calls answer with the bytes that were not moved. */
int lab_read(int file, void *to, uint32_t bytes) {
  uint32_t block[3] = {(uint32_t)file, (uint32_t)to, bytes};
  return trap(SYS_READ, block) == 0;
}
int lab_write(int file, const void *from, uint32_t bytes) {
  uint32_t block[3] = {(uint32_t)file, (uint32_t)from, bytes};
  return trap(SYS_WRITE, block) == 0;
}
void lab_say(const char *text) { trap(SYS_WRITE0, text); }
void lab_exit(int code) {
  uint32_t block[2] = {STOPPED, (uint32_t)code};
  for (;;) trap(SYS_EXIT_EXTENDED, block);
}
static void say_hex(const char *label, uint32_t value) {
  char text[10];
  int i;
  for (i = 0; i < 8; i++) text[i] = "0123456789abcdef"[(value >> (28 - 4 * i)) & 15u];
  text[8] = '\n';
  text[9] = 0;
  lab_say(label);
  lab_say(text);
}
__attribute__((noinline)) void lab_paint(void) {
  uint32_t *here = (uint32_t *)__builtin_frame_address(0) - 16;
  uint32_t *p;
  painted_to = here;
  for (p = lab_stack_low; p < here; p++) *p = 0x5ac35ac3u;
}
/* Bytes between where the caller of lab_paint stood and the deepest word that was written since. */
uint32_t lab_deepest(void) {
  uint32_t *p = lab_stack_low;
  while (p < painted_to && *p == 0x5ac35ac3u) p++;
  if (p == painted_to) return 0;
  return (uint32_t)((uintptr_t)(painted_to + 16) - (uintptr_t)p);
}
`;

/** Copies initialised data, clears the rest. */
const MEMORY_START = `
extern uint32_t lab_data_load[], lab_data_low[], lab_data_high[], lab_bss_low[], lab_bss_high[];
int main(void);
static void start(void) {
  volatile uint32_t *to;
  const uint32_t *from = lab_data_load;
  for (to = lab_data_low; to < lab_data_high; to++) *to = *from++;
  for (to = lab_bss_low; to < lab_bss_high; to++) *to = 0;
  lab_exit(main());
}
`;

/** Start-up of Arm boards. LAB_COUNTER: address of the board's counter. A fault says its registers and ends the emulator with code 99. */
export const ARM_START = String.raw`#include "lab.h"
#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
static int trap(int operation, const void *block) {
  register int r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = block;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
${SEMIHOSTING}${MEMORY_START}
uint32_t lab_count(void) { return REGISTER(LAB_COUNTER); }
/* Two instructions a round. */
__attribute__((noinline)) void lab_loop(uint32_t rounds) {
  __asm__ volatile(".syntax unified\n1: subs %0, #1\n bne 1b" : "+l"(rounds)::"cc");
}
/* The processor has put eight registers on the stack, the seventh says where. */
__attribute__((used)) static void say_fault(const uint32_t *frame) {
  say_hex("fault: PC ", frame[6]);
  say_hex("fault: CFSR ", REGISTER(0xe000ed28));
  say_hex("fault: HFSR ", REGISTER(0xe000ed2c));
  say_hex("fault: BFAR ", REGISTER(0xe000ed38));
  lab_exit(99);
}
__attribute__((naked)) static void fault(void) { __asm__ volatile("mrs r0, msp\n b say_fault"); }
/* CPACR: the coprocessors that are the floating point unit and the vectors. CCR: a fault at words that are not aligned. */
static void reset(void) {
  REGISTER(0xe000ed88) |= 0xfu << 20;
#ifdef LAB_STRICT
  REGISTER(0xe000ed14) |= 1u << 3;
#endif
  __asm__ volatile("dsb\n isb" ::: "memory");
  start();
}
typedef union {
  void (*code)(void);
  uint32_t *stack;
} vector;
__attribute__((section(".vectors"), used)) const vector lab_vectors[16] = {
    {.stack = lab_stack_high}, {reset}, {fault}, {fault}, {fault}, {fault}, {fault}, {fault},
    {fault}, {fault}, {fault}, {fault}, {fault}, {fault}, {fault}, {fault}};
`;

/** Start-up of RV32 boards; minstret counts. A trap says its cause and ends the emulator with code 99. */
export const RISCV_START = String.raw`#include "lab.h"
/* The three instructions that an emulator takes as a call, none of them compressed, on one page. */
__attribute__((noinline)) static int trap(int operation, const void *block) {
  register int a0 __asm__("a0") = operation;
  register const void *a1 __asm__("a1") = block;
  __asm__ volatile(
      ".option push\n.option norvc\n.balign 16\n slli x0, x0, 0x1f\n ebreak\n srai x0, x0, 7\n.option pop"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
}
${SEMIHOSTING}${MEMORY_START}
uint32_t lab_count(void) {
  uint32_t value;
  __asm__ volatile("csrr %0, minstret" : "=r"(value)::"memory");
  return value;
}
/* Two instructions a round. */
__attribute__((noinline)) void lab_loop(uint32_t rounds) {
  __asm__ volatile("1: addi %0, %0, -1\n bnez %0, 1b" : "+r"(rounds));
}
__attribute__((aligned(4))) static void fault(void) {
  uint32_t cause, at;
  __asm__ volatile("csrr %0, mcause\n csrr %1, mepc" : "=r"(cause), "=r"(at));
  say_hex("fault: mcause ", cause);
  say_hex("fault: mepc ", at);
  lab_exit(99);
}
__attribute__((used)) static void enter(void) {
  __asm__ volatile("csrw mtvec, %0" ::"r"(fault));
  start();
}
__attribute__((naked, section(".vectors"), used)) void lab_entry(void) { __asm__ volatile("la sp, lab_stack_high\n j enter"); }
`;
