/* SPDX-License-Identifier: Apache-2.0 */
/* What the example needs of a board. */
#ifndef BOARD_H
#define BOARD_H
#include <stdint.h>

void board_print(const char *text);

/* Instructions since board_count_instructions, in thousands, under QEMU's -icount shift=0 alone (an
 * instruction then takes a nanosecond): fewer than the cycles of any board. Up to 671 million. */
void board_count_instructions(void);
uint32_t board_thousand_instructions(void);

/* The deepest that the stack has been, in bytes. */
uint32_t board_stack_used(void);

#endif
