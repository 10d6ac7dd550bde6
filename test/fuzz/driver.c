/*
 * Runs a libFuzzer harness without libFuzzer: seeded random inputs and mutations of earlier ones. Usage: fuzz-NAME RUNS [SEED]
 * It has no coverage feedback; it finds the mistakes that random bytes find, the same ones on every machine.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { POOL = 64, LONGEST = 2048 };

struct input {
    size_t size;
    uint8_t data[LONGEST];
};

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void invent(struct input *input, uint64_t *state) {
    input->size = next_random(state) % (next_random(state) % 4 ? 256 : LONGEST);
    for (size_t i = 0; i < input->size; i++)
        input->data[i] = (uint8_t)(next_random(state) >> 24);
}

static void mutate(struct input *input, uint64_t *state) {
    static const uint8_t edges[] = {0, 1, 2, 0x7f, 0x80, 0xff, '/', '.', 0x20};
    for (uint64_t count = next_random(state) % 6; count > 0 && input->size > 0; count--) {
        size_t at = next_random(state) % input->size;
        switch (next_random(state) % 4) {
        case 0:
            input->data[at] = (uint8_t)(next_random(state) >> 32);
            break;
        case 1:
            input->data[at] = edges[next_random(state) % sizeof edges];
            break;
        case 2:
            input->size = at + 1;
            break;
        default:
            if (2 * input->size - at <= LONGEST) {
                memmove(input->data + input->size, input->data + at, input->size - at);
                input->size += input->size - at;
            }
        }
    }
}

int main(int argc, char **argv) {
    static struct input pool[POOL];
    uint64_t state = argc > 2 ? strtoull(argv[2], NULL, 10) * 2 + 1 : 0x9e3779b97f4a7c15U;
    uint64_t runs = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    for (uint64_t i = 0; i < runs; i++) {
        struct input *input = &pool[next_random(&state) % POOL];
        if (input->size == 0 || next_random(&state) % 3 == 0)
            invent(input, &state);
        else
            mutate(input, &state);
        uint8_t *exact = malloc(input->size ? input->size : 1);
        if (!exact)
            return 1;
        memcpy(exact, input->data, input->size);
        LLVMFuzzerTestOneInput(exact, input->size);
        free(exact);
    }
    printf("%s: %llu inputs, nothing found\n", argv[0], (unsigned long long)runs);
    return 0;
}
