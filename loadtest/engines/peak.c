// Peak arithmetic of one core by instruction, in 10⁹ operations a second of CPU time: nothing comes from memory.
// cc -O2 -o peak peak.c && ./peak
#define _GNU_SOURCE
#include <immintrin.h>
#include <stdio.h>
#include <time.h>

enum { ACCUMULATORS = 12, ROUNDS = 5000000 };

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec * 1e-9;
}

// Twelve independent accumulators hide the latency; the empty asm keeps the compiler from folding the loop.
#define STEP(ACC, ACCUMULATE) { __auto_type acc = ACC; ACC = ACCUMULATE; __asm__ volatile("" : "+v"(ACC)); }
#define ALL(S, A) S(c0, A) S(c1, A) S(c2, A) S(c3, A) S(c4, A) S(c5, A) S(c6, A) S(c7, A) S(c8, A) S(c9, A) S(c10, A) S(c11, A)
#define KERNEL(NAME, TARGET, TYPE, ZERO, ACCUMULATE, OPERATIONS)                                        \
    __attribute__((target(TARGET), noinline)) static double NAME(void) {                                \
        TYPE a = ZERO, b = ZERO, c0 = ZERO, c1 = ZERO, c2 = ZERO, c3 = ZERO, c4 = ZERO, c5 = ZERO;      \
        TYPE c6 = ZERO, c7 = ZERO, c8 = ZERO, c9 = ZERO, c10 = ZERO, c11 = ZERO;                        \
        __asm__ volatile("" : "+v"(a), "+v"(b));                                                        \
        double started = cpu_seconds();                                                                 \
        for (long round = 0; round < ROUNDS; round++) { ALL(STEP, ACCUMULATE) }                         \
        return (double)ROUNDS * ACCUMULATORS * (OPERATIONS) / (cpu_seconds() - started) / 1e9;          \
    }

KERNEL(fp32_avx2, "avx2,fma", __m256, _mm256_setzero_ps(), _mm256_fmadd_ps(a, b, acc), 16)
KERNEL(int8_avx2_exact, "avx2", __m256i, _mm256_setzero_si256(), _mm256_add_epi32(acc, _mm256_madd_epi16(a, acc)), 32)
KERNEL(int8_avx2_cut, "avx2", __m256i, _mm256_setzero_si256(),
       _mm256_add_epi32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(a, acc), b)), 64)
KERNEL(fp32_avx512, "avx512f", __m512, _mm512_setzero_ps(), _mm512_fmadd_ps(a, b, acc), 32)
KERNEL(int8_vnni, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), _mm512_dpbusd_epi32(acc, a, b), 128)

int main(void) {
    printf("fp32 AVX2: %.0f\n", fp32_avx2());
    printf("int8 AVX2, exact: %.0f\n", int8_avx2_exact());
    printf("int8 AVX2, cut to 16 bits: %.0f\n", int8_avx2_cut());
    if (__builtin_cpu_supports("avx512f")) printf("fp32 AVX-512: %.0f\n", fp32_avx512());
    if (__builtin_cpu_supports("avx512vnni")) printf("int8 VNNI: %.0f\n", int8_vnni());
    return 0;
}
