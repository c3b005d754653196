// What the core can do: double-precision instruction slots per second (one slot = one lane of one instruction).
#include "lanes.hpp"
#include <chrono>

// Independent chains in registers, hidden from the optimiser: twelve of fused multiply-adds, twelve of additions.
#define TWELVE(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11)
#define DECLARE(i) V a##i = splat(1.0 + i), b##i = splat(1.0 + i);
#define FMA(i) a##i = a##i * m + c; asm volatile("" : "+v"(a##i));
#define ADD(i) b##i = b##i + c; asm volatile("" : "+v"(b##i));

template <bool ADDS> static double seconds(int64_t rounds) {
    V m = splat(0.999999), c = splat(1e-7);
    asm volatile("" : "+v"(m), "+v"(c));
    TWELVE(DECLARE)
    auto start = std::chrono::steady_clock::now();
    for (int64_t r = 0; r < rounds; r++) {
#define BOTH(i) FMA(i) if constexpr (ADDS) { ADD(i) }
        TWELVE(BOTH)
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

extern "C" double peak_fma(int64_t rounds) { return rounds * 12.0 * LANES / seconds<false>(rounds); }
extern "C" double peak_fma_add(int64_t rounds) { return rounds * 24.0 * LANES / seconds<true>(rounds); }
extern "C" int lanes() { return LANES; }
