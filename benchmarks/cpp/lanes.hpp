// Vectors of doubles as wide as the machine has them, in GCC's vector extension, and groups of U of them whose
// instructions interleave, so that one hides the latency of the others.
#pragma once
#include <cstdint>
#include <cstring>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 8;
#elif defined(__AVX__)
constexpr int LANES = 4;
#else
constexpr int LANES = 2;
#endif

typedef double V __attribute__((vector_size(8 * LANES)));
typedef int64_t I __attribute__((vector_size(8 * LANES)));

#define INLINE inline __attribute__((always_inline))
#define EACH _Pragma("GCC unroll 8") for (int u = 0; u < U; u++)

INLINE V splat(double a) { return V{} + a; }

template <int U> struct Mask { I v[U]; };

template <int U> struct Wide {
    static constexpr int size = U * LANES;
    V v[U];
    Wide() = default;
    INLINE Wide(double a) { EACH v[u] = splat(a); }
    INLINE static Wide load(const double* p) { Wide r; std::memcpy(r.v, p, sizeof r.v); return r; }
    INLINE void store(double* p) const { std::memcpy(p, v, sizeof v); }
    INLINE friend Wide operator+(Wide a, Wide b) { EACH a.v[u] = a.v[u] + b.v[u]; return a; }
    INLINE friend Wide operator-(Wide a, Wide b) { EACH a.v[u] = a.v[u] - b.v[u]; return a; }
    INLINE friend Wide operator*(Wide a, Wide b) { EACH a.v[u] = a.v[u] * b.v[u]; return a; }
    INLINE friend Wide operator/(Wide a, Wide b) { EACH a.v[u] = a.v[u] / b.v[u]; return a; }
    INLINE friend Mask<U> operator>=(Wide a, Wide b) { Mask<U> m; EACH m.v[u] = a.v[u] >= b.v[u]; return m; }
    INLINE friend Mask<U> operator<(Wide a, Wide b) { Mask<U> m; EACH m.v[u] = a.v[u] < b.v[u]; return m; }
    INLINE friend Wide min(Wide a, Wide b) { EACH a.v[u] = a.v[u] < b.v[u] ? a.v[u] : b.v[u]; return a; }
    INLINE friend Wide max(Wide a, Wide b) { EACH a.v[u] = a.v[u] > b.v[u] ? a.v[u] : b.v[u]; return a; }
    INLINE friend Wide abs(Wide a) { EACH a.v[u] = (V)((I)a.v[u] & INT64_MAX); return a; }
    INLINE friend Wide select(Mask<U> m, Wide a, Wide b) { EACH a.v[u] = m.v[u] ? a.v[u] : b.v[u]; return a; }
};

// one bit per lane
template <int U> INLINE uint64_t bits(const Mask<U>& m) {
    uint64_t r = 0;
    for (int u = 0; u < U; u++) {
#ifdef __AVX512F__
        r |= uint64_t(_mm512_movepi64_mask((__m512i)m.v[u])) << (u * LANES);
#else
        for (int i = 0; i < LANES; i++) r |= uint64_t(m.v[u][i] & 1) << (u * LANES + i);
#endif
    }
    return r;
}

// x^(-1/10) of positive normal x: a guess from the exponent bits, then two Newton steps, about 1e-3 accurate,
// which is more than a step-size controller needs.
template <int U> INLINE Wide<U> inverse_tenth_root(const Wide<U>& x) {
    const double one = 4607182418800017408.0;  // the bits of 1.0
    Wide<U> y;
    EACH y.v[u] = (V)__builtin_convertvector(one * 1.1 - __builtin_convertvector((I)x.v[u], V) * 0.1, I);
    for (int i = 0; i < 2; i++) {
        Wide<U> y2 = y * y, y4 = y2 * y2;
        y = y * (1.1 - x * 0.1 * (y4 * y4 * y2));
    }
    return y;
}
