/* A picture scaled to a model's input, in integers: docs/pixels.md has the rule.
 *
 * Every value of the result is (sum of row weight * column weight * pixel + 2^15) >> 16, with the
 * weights of either axis adding up to 256. Sums stay below 2^24 and are exact, so the order of
 * adding is free and every processor gets the same bits. Nothing here computes in floats.
 *
 * Built by setup.py as a plain shared library, or by a board's own C compiler; called by
 * compiled.py. portable.py gives the same numbers where there is no compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef SOURCE_HASH
#define SOURCE_HASH ""
#endif

/* Tests build every path: the processor they run on takes one of them. */
#ifndef ON_X86
#if defined(__x86_64__) && defined(__linux__)
#define ON_X86 1
#else
#define ON_X86 0
#endif
#endif
#ifndef WITH_AVX2
#define WITH_AVX2 ON_X86
#endif
#if ON_X86
#include <immintrin.h>
#endif

/* The compiler's own vectors of the widest kind that the processor has. */
#if ON_X86 && !defined(__clang__)
#define WIDEST __attribute__((target_clones("avx2", "default")))
#else
#define WIDEST
#endif

enum {
    PADDING = 16, /* Columns are read in vectors that may reach past the last one. */
    SHIFT = 1 << 15,
    BEGIN = (1 << 15) + 256 * SHIFT /* Rounds, and takes back the shift of 256 weights. */
};

/* Which source a library was built from, for compiled.py to compare. */
const char *cnnedge_source(void) { return SOURCE_HASH; }

/* sum[x] = sum over rows t of weights[t] * pixels[t][x], less 2^15: what 16 bits with a sign hold,
 * and what PMADDWD takes. Up to four rows at once: a pass over `sum` costs as much as a row. */
WIDEST static void weigh_rows(int16_t *restrict sum, const uint8_t *restrict pixels,
                              ptrdiff_t stride, const int16_t *weights, int taps, int count) {
    while (taps > 1 && !weights[0]) {
        weights++, taps--, pixels += stride;
    }
    while (taps > 1 && !weights[taps - 1]) {
        taps--;
    }
    int done = taps % 4 ? taps % 4 : 4;
    {
        const uint8_t *a = pixels, *b = a + stride, *c = b + stride, *d = c + stride;
        const uint16_t p = (uint16_t)weights[0], q = done > 1 ? (uint16_t)weights[1] : 0,
                       r = done > 2 ? (uint16_t)weights[2] : 0,
                       s = done > 3 ? (uint16_t)weights[3] : 0;
        if (done == 1) {
            for (int x = 0; x < count; x++) sum[x] = (int16_t)(p * a[x] - SHIFT);
        } else if (done == 2) {
            for (int x = 0; x < count; x++) sum[x] = (int16_t)(p * a[x] + q * b[x] - SHIFT);
        } else if (done == 3) {
            for (int x = 0; x < count; x++)
                sum[x] = (int16_t)(p * a[x] + q * b[x] + r * c[x] - SHIFT);
        } else {
            for (int x = 0; x < count; x++)
                sum[x] = (int16_t)(p * a[x] + q * b[x] + r * c[x] + s * d[x] - SHIFT);
        }
    }
    for (; done < taps; done += 4) {
        const uint8_t *a = pixels + done * stride, *b = a + stride, *c = b + stride,
                      *d = c + stride;
        const uint16_t p = (uint16_t)weights[done], q = (uint16_t)weights[done + 1],
                       r = (uint16_t)weights[done + 2], s = (uint16_t)weights[done + 3];
        for (int x = 0; x < count; x++)
            sum[x] = (int16_t)(sum[x] + p * a[x] + q * b[x] + r * c[x] + s * d[x]);
    }
}

/* What is done along rows, on one row of sums or on two at once. */
typedef struct {
    const int32_t *first;
    const int16_t *weights;
    int taps, width;
    int swap; /* Whether BGR becomes RGB. */
} Columns;

/* One row of grey pixels. */
static void weigh_grey(uint8_t *restrict out, const int16_t *restrict sum, const Columns *to) {
    const int16_t *weights = to->weights;
    for (int x = 0; x < to->width; x++, weights += to->taps) {
        const int16_t *from = sum + to->first[x];
        int32_t total = BEGIN;
        for (int t = 0; t < to->taps; t++) total += weights[t] * from[t];
        out[x] = (uint8_t)(total >> 16);
    }
}

#if !defined(__GNUC__)
/* One row of colour pixels, three values a pixel; may write a byte too many. */
static void weigh_colour(uint8_t *restrict out, const int16_t *restrict sum, const Columns *to) {
    const int16_t *weights = to->weights;
    const int first = to->swap ? 2 : 0;
    for (int x = 0; x < to->width; x++, out += 3) {
        const int16_t *from = sum + 3 * (ptrdiff_t)to->first[x];
        int32_t b = BEGIN, g = BEGIN, r = BEGIN;
        for (int t = 0; t < to->taps; t++, from += 3, weights++) {
            b += *weights * from[0];
            g += *weights * from[1];
            r += *weights * from[2];
        }
        out[first] = (uint8_t)(b >> 16);
        out[1] = (uint8_t)(g >> 16);
        out[2 - first] = (uint8_t)(r >> 16);
    }
}
#else
typedef int16_t four_sums __attribute__((vector_size(8)));
typedef int32_t four_totals __attribute__((vector_size(16)));

/* One row of colour pixels, three values a pixel; may write a byte too many. In the compiler's own
 * vectors, one pixel at a time: what NEON has instructions for. */
static void weigh_colour(uint8_t *restrict out, const int16_t *restrict sum, const Columns *to) {
    const int16_t *weights = to->weights;
    const int first = to->swap ? 2 : 0;
    for (int x = 0; x < to->width; x++, out += 3) {
        const int16_t *from = sum + 3 * (ptrdiff_t)to->first[x];
        four_totals total = {BEGIN, BEGIN, BEGIN, BEGIN};
        for (int t = 0; t < to->taps; t++, from += 3, weights++) {
            four_sums sums;
            memcpy(&sums, from, 8);
            total += __builtin_convertvector(sums, four_totals) * (int32_t)*weights;
        }
        total >>= 16;
        out[first] = (uint8_t)total[0];
        out[1] = (uint8_t)total[1];
        out[2 - first] = (uint8_t)total[2];
    }
}
#endif

#if ON_X86
/* PMADDWD weighs two pixels at once, whose values lie in pairs after a shuffle; a second one brings
 * the three bytes of the result together. taps is even. */
#define PAIRS 0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11, 0, 1, 6, 7
#define BYTES 0, 4, 8, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1
#define SWAPPED 8, 4, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1

__attribute__((target("ssse3"))) static void
weigh_colour_ssse3(uint8_t *restrict out, const int16_t *restrict sum, const Columns *to) {
    const __m128i pairs = _mm_setr_epi8(PAIRS);
    const __m128i bytes = to->swap ? _mm_setr_epi8(SWAPPED) : _mm_setr_epi8(BYTES);
    const int16_t *weights = to->weights;
    for (int x = 0; x < to->width; x++, out += 3) {
        const int16_t *from = sum + 3 * (ptrdiff_t)to->first[x];
        __m128i total = _mm_set1_epi32(BEGIN);
        for (int t = 0; t < to->taps; t += 2, from += 6, weights += 2) {
            int32_t pair;
            memcpy(&pair, weights, 4);
            const __m128i two = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)from), pairs);
            total = _mm_add_epi32(total, _mm_madd_epi16(two, _mm_set1_epi32(pair)));
        }
        const int32_t pixel = _mm_cvtsi128_si32(_mm_shuffle_epi8(_mm_srli_epi32(total, 16), bytes));
        memcpy(out, &pixel, 4);
    }
}

/* Two rows at once, `apart` values from each other in sum, in the two halves of a vector. */
__attribute__((target("avx2"))) static void
weigh_colour_avx2(uint8_t *restrict out, uint8_t *restrict below, const int16_t *restrict sum,
                  size_t apart, const Columns *to) {
    const __m256i pairs = _mm256_setr_epi8(PAIRS, PAIRS);
    const __m256i bytes =
        to->swap ? _mm256_setr_epi8(SWAPPED, SWAPPED) : _mm256_setr_epi8(BYTES, BYTES);
    const int16_t *weights = to->weights;
    for (int x = 0; x < to->width; x++, out += 3, below += 3) {
        const int16_t *from = sum + 3 * (ptrdiff_t)to->first[x];
        __m256i total = _mm256_set1_epi32(BEGIN);
        for (int t = 0; t < to->taps; t += 2, from += 6, weights += 2) {
            int32_t pair;
            memcpy(&pair, weights, 4);
            const __m256i two = _mm256_inserti128_si256(
                _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)from)),
                _mm_loadu_si128((const __m128i *)(from + apart)), 1);
            total = _mm256_add_epi32(
                total, _mm256_madd_epi16(_mm256_shuffle_epi8(two, pairs), _mm256_set1_epi32(pair)));
        }
        total = _mm256_shuffle_epi8(_mm256_srli_epi32(total, 16), bytes);
        const int32_t pixel = _mm256_extract_epi32(total, 0);
        const int32_t lower = _mm256_extract_epi32(total, 4);
        memcpy(out, &pixel, 4);
        memcpy(below, &lower, 4);
    }
}
#endif

/* A row of scaled pixels in the colours of the input; colours that stay are in order already. */
static void recolour(uint8_t *restrict out, const uint8_t *restrict row, int from, int to,
                     int width) {
    if (from == to) {
        memcpy(out, row, (size_t)(from * width));
    } else if (to == 3) {
        for (int x = 0; x < width; x++, out += 3) out[0] = out[1] = out[2] = row[x];
    } else {
        for (int x = 0; x < width; x++, row += 3) {
            out[x] = (uint8_t)((3735u * row[0] + 19235u * row[1] + 9798u * row[2] + 16384u) >> 15);
        }
    }
}

/* pixels: height rows of width pixels with `channels` values (3: BGR, 1: grey), `stride` bytes
 * apart; out likewise, with out_channels (3: RGB, 1: grey). For each axis: the first pixel of each
 * value of the result, and `taps` weights for the pixels from there on; pixels that do not exist
 * have weight 0. column_taps is even. Returns 0, or 1 where memory ran out. */
int cnnedge_resample(const uint8_t *pixels, ptrdiff_t stride, int width, int channels,
                     uint8_t *out, ptrdiff_t out_stride, int out_height, int out_width,
                     int out_channels, const int32_t *first_row, const int16_t *row_weights,
                     int row_taps, const int32_t *first_column, const int16_t *column_weights,
                     int column_taps) {
    const size_t sums = (size_t)channels * ((size_t)width + (size_t)column_taps) + PADDING;
    const size_t bytes = (size_t)channels * (size_t)out_width + PADDING;
    int16_t *sum = calloc(2 * sums, sizeof *sum);
    uint8_t *row = malloc(2 * bytes);
    const Columns to = {first_column, column_weights, column_taps, out_width, out_channels == 3};
    const int failed = !sum || !row;
#if ON_X86
    const int pairs = WITH_AVX2 && channels == 3 && __builtin_cpu_supports("avx2");
    const int shuffles = __builtin_cpu_supports("ssse3");
#else
    const int pairs = 0;
#endif
    for (int y = 0; !failed && y < out_height; y += 1 + pairs) {
        const int rows = pairs && y + 1 < out_height ? 2 : 1;
        for (int i = 0; i < rows; i++) {
            weigh_rows(sum + (size_t)i * sums, pixels + first_row[y + i] * stride, stride,
                       row_weights + (size_t)(y + i) * (size_t)row_taps, row_taps,
                       channels * width);
        }
        if (channels == 1) {
            weigh_grey(row, sum, &to);
#if ON_X86
        } else if (pairs) {
            weigh_colour_avx2(row, row + bytes, sum, sums, &to);
        } else if (shuffles) {
            weigh_colour_ssse3(row, sum, &to);
#endif
        } else {
            weigh_colour(row, sum, &to);
        }
        for (int i = 0; i < rows; i++) {
            recolour(out + (y + i) * out_stride, row + (size_t)i * bytes, channels, out_channels,
                     out_width);
        }
    }
    free(sum);
    free(row);
    return failed;
}
