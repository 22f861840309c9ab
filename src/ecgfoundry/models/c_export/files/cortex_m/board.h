/* What the example needs of a board. */
#ifndef BOARD_H
#define BOARD_H
#include <stdint.h>

void board_print(const char *text);

/* The deepest that the stack has been, in bytes. */
uint32_t board_stack_used(void);

#endif
