/* SPDX-License-Identifier: Apache-2.0 */
/* The model on its test vectors, as a device would use it: samples come in small pieces, one answer
 * per window. Returns 0 if every answer is the one that was computed where this was exported. */
#include "ecg_model.h"

#include <math.h> /* NAN in the vectors */

#include "test_vectors.h"

#ifdef ECG_BOARD
#include "board.h"
#else
#include <stdio.h>
static void board_print(const char *text) { (void)fputs(text, stdout); }
#endif

enum { PIECE = 50 }; /* samples that arrive together */

#ifdef ECG_INT8
#define EXPECTED expected_int8
#define TOLERANCE 2e-3f /* a sample between two steps may fall to either side */
#else
#define EXPECTED expected_float
#define TOLERANCE 1e-4f
#endif

static ecg_workspace workspace;

static void print_number(uint32_t number) {
    char digits[11];
    int at = 10;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number);
    board_print(digits + at);
}

static ecg_status run_vector(const test_vector *vector, ecg_answer *answer) {
    ecg_status status = ecg_reset(&workspace);
    for (int32_t k = 0; k < vector->samples && status == ECG_OK; k += PIECE) {
        const int32_t rest = vector->samples - k;
        status = ecg_push(&workspace, vector->millivolts + k, rest < PIECE ? rest : PIECE);
    }
    return status == ECG_OK ? ecg_run(&workspace, ECG_RECORD, answer) : status;
}

int main(void) {
    int wrong = 0;
    for (int v = 0; v < TEST_VECTORS; v++) {
        ecg_answer answer;
        float worst = 0.0f;
        int present = 0;
#ifdef ECG_BOARD
        board_count_instructions();
#endif
        const ecg_status status = run_vector(&test_vectors[v], &answer);
#ifdef ECG_BOARD
        print_number(board_thousand_instructions());
        board_print(" thousand instructions: ");
#endif
        if (status != ECG_OK) {
            board_print("a window was refused, status ");
            print_number((uint32_t)status);
            board_print("\n");
            return 1;
        }
        for (int k = 0; k < ECG_TARGETS; k++) {
            const float apart = answer.probabilities[k] - test_vectors[v].EXPECTED[k];
            if (answer.present[k] == 1) present = k;
            if (!(apart <= worst)) worst = apart;
            if (!(-apart <= worst)) worst = -apart;
        }
        wrong += !(worst <= TOLERANCE);
        board_print(ecg_target_names[present]);
        board_print(", per thousand: ");
        print_number((uint32_t)(answer.probabilities[present] * 1000.0f + 0.5f));
        board_print("; largest difference, parts per million: ");
        print_number((uint32_t)(worst * 1e6f + 0.5f));
        board_print("\n");
    }
#ifdef ECG_BOARD
    board_print("stack, bytes: ");
    print_number(board_stack_used());
    board_print("\n");
#endif
    board_print("workspace, bytes: ");
    print_number(ecg_workspace_bytes());
    board_print(wrong ? "\nNOT the expected answers\n" : "\nas expected\n");
    return wrong ? 1 : 0;
}
