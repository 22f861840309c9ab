/* SPDX-License-Identifier: Apache-2.0 */
/* A Cortex-M as QEMU has it (mps2-an386: M4, mps2-an500: M7, mps2-an385: M3): reset, output and exit
 * by semihosting. A real board brings its own start-up code; nothing of the model needs this file. */
#include "board.h"

int main(void);
void reset(void);

extern uint32_t bss_start[], bss_end[], stack_bottom[], stack_top[];

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };

static const uint32_t paint = 0xa5a5a5a5u;

static void semihosting(uint32_t operation, const void *argument) {
    register uint32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

void board_print(const char *text) { semihosting(SYS_WRITE0, text); }

uint32_t board_stack_used(void) {
    const volatile uint32_t *word = stack_bottom;
    while (word < stack_top && *word == paint) word++;
    return (uint32_t)((const char *)stack_top - (const char *)word);
}

/* SysTick, which counts 24 bits down at 25 MHz on these boards. */
#define SYST_CSR (*(volatile uint32_t *)0xe000e010u)
#define SYST_RVR (*(volatile uint32_t *)0xe000e014u)
#define SYST_CVR (*(volatile uint32_t *)0xe000e018u)

void board_count_instructions(void) {
    SYST_CSR = 0;
    SYST_RVR = 0xffffffu;
    SYST_CVR = 0;
    SYST_CSR = 5; /* on, from the processor's clock */
}

uint32_t board_thousand_instructions(void) { return (0xffffffu - SYST_CVR) / 25u; }

static void leave(int code) {
    const uint32_t block[2] = {APPLICATION_EXIT, (uint32_t)code};
    semihosting(SYS_EXIT_EXTENDED, block);
    for (;;) {}
}

static void fault(void) { leave(2); }

void reset(void) {
#ifdef __ARM_FP
    *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* CPACR: let programs use the FPU */
    __asm__ volatile("dsb\n\tisb");
#endif
    for (volatile uint32_t *word = bss_start; word < bss_end; word++) *word = 0;
    volatile uint32_t *here;
    __asm__ volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *word = stack_bottom; word < here; word++) *word = paint;
    leave(main());
}

typedef void (*handler)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    handler handlers[6];
} vectors = {stack_top, {reset, fault, fault, fault, fault, fault}};
