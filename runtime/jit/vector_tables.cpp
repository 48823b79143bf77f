#include "runtime/jit/vector_tables.h"

#include <array>
#include <cmath>
#include <numbers>

namespace nnc::runtime::jit {

namespace {

using llvm::IRBuilder;
using llvm::Value;

/// erf(i / 8 + d), |d| <= 1/16, by powers of d, a column for each i: minimax for the relative error, as in
/// vector_math.cpp. From 31 on it is 1.
constexpr double erf_powers[5][Lanes::table_size] = {
    {0,
     0x1.1f5e1ap-3,
     0x1.1af54ep-2,
     0x1.9dd0d2p-2,
     0x1.0a7ef6p-1,
     0x1.3f196ep-1,
     0x1.6c1c98p-1,
     0x1.91724ap-1,
     0x1.af767ap-1,
     0x1.c6dad2p-1,
     0x1.d8865ep-1,
     0x1.e5768cp-1,
     0x1.eea556p-1,
     0x1.f4f694p-1,
     0x1.f92d08p-1,
     0x1.fbe61ep-1,
     0x1.fd9ae2p-1,
     0x1.fea422p-1,
     0x1.ff4048p-1,
     0x1.ff996p-1,
     0x1.ffcaa8p-1,
     0x1.ffe514p-1,
     0x1.fff2dp-1,
     0x1.fff9bap-1,
     0x1.fffd1ap-1,
     0x1.fffeb4p-1,
     0x1.ffff7p-1,
     0x1.ffffc4p-1,
     0x1.ffffe8p-1,
     0x1.fffff6p-1,
     0x1.fffffcp-1,
     1},
    {0x1.20dd74p0,   0x1.1c62f2p0,   0x1.0f5d1p0,    0x1.f5f0ccp-1,
     0x1.c1efcap-1,  0x1.86e96ap-1,  0x1.492e44p-1,  0x1.0cab62p-1,
     0x1.a911fp-2,   0x1.45e99cp-2,  0x1.e4653p-3,   0x1.5ce596p-3,
     0x1.e72372p-4,  0x1.499d48p-4,  0x1.b0553p-5,   0x1.12ceb2p-5,
     0x1.529b9ep-6,  0x1.94624ep-7,  0x1.d4143ap-8,  0x1.06918ap-8,
     0x1.1d8312p-9,  0x1.2ce888p-10, 0x1.3360ccp-11, 0x1.30538ap-12,
     0x1.2407eap-13, 0x1.0f9e18p-14, 0x1.e9b35ap-16, 0x1.abdde4p-17,
     0x1.6a56b6p-18, 0x1.2967dp-19,  0x1.d93236p-21, 0},
    {0x1.6c86a4p-16,  -0x1.1c608cp-3,  -0x1.0f5c2ap-2,  -0x1.786fecp-2,
     -0x1.c1f32cp-2,  -0x1.e8a5fap-2,  -0x1.edcdeap-2,  -0x1.d6345cp-2,
     -0x1.a90dcap-2,  -0x1.6ea144p-2,  -0x1.2ec3e4p-2,  -0x1.dfb6eep-3,
     -0x1.6d6b5ep-3,  -0x1.0bd8d4p-3,  -0x1.7a6978p-4,  -0x1.01680ep-4,
     -0x1.52f5e2p-5,  -0x1.ae1316p-6,  -0x1.07e3b8p-6,  -0x1.35f2cep-7,
     -0x1.6127b2p-8,  -0x1.85336ap-9,  -0x1.ab7ad6p-10, -0x1.ad68dcp-11,
     -0x1.859b5ap-12, -0x1.b248d2p-13, -0x1.ed603ap-14, -0x1.9b1036p-14,
     -0x1.3bc59ap-14, -0x1.26764ap-19, 0x1.05a23ap-17,  0},
    {-0x1.826608p-2, -0x1.6ed234p-2, -0x1.3c32bep-2, -0x1.e0b96p-3,
     -0x1.2beb6p-3,  -0x1.c8ca5p-5,  0x1.b3fb46p-6,  0x1.7bdfd6p-4,
     0x1.1af148p-3,  0x1.4c550ap-3,  0x1.56d592p-3,  0x1.434388p-3,
     0x1.1c19c4p-3,  0x1.d65b16p-4,  0x1.715f8ap-4,  0x1.146564p-4,
     0x1.8b642ap-5,  0x1.0eef0cp-5,  0x1.64809cp-6,  0x1.c2d2aap-7,
     0x1.124844p-7,  0x1.416e34p-8,  0x1.6afebcp-9,  0x1.8b5e42p-10,
     0x1.9fcc3cp-11, 0x1.a5734p-12,  0x1.9d3abp-13,  0x1.8707f6p-14,
     0x1.6584bep-15, 0x1.3be9eep-16, 0x1.0dd9bep-17, 0},
    {0x1.5eede6p-6,  0x1.13a048p-4,   0x1.01fea8p-3,  0x1.4c9f0ep-3,
     0x1.7ccab8p-3,  0x1.6cbf94p-3,   0x1.44215p-3,   0x1.e8bea2p-4,
     0x1.0e9668p-4,  0x1.832356p-6,   -0x1.2f2b14p-9, -0x1.0882p-5,
     -0x1.2d40f4p-5, -0x1.7315dp-5,   -0x1.4cb804p-5, -0x1.cc2704p-5,
     -0x1.8272e6p-6, -0x1.491b26p-6,  -0x1.45645p-7,  -0x1.c1f1fep-6,
     -0x1.79c546p-6, -0x1.0e8e3ep-6,  0x1.7112e4p-10, -0x1.7a8d6ap-8,
     -0x1.a2739ep-7, 0x1.4bb62cp-11,  0x1.67c046p-8,  0x1.c46c72p-7,
     0x1.d2abc2p-7,  -0x1.8ca1a2p-10, -0x1.732032p-9, 0}};

/// tanh(c + d) by powers of d, a column for each c, as above; where c is 0 from 9.25 on, tanh is 1. The centres c are
/// chosen near the middles so that tanh c is nearly an f32.
constexpr double tanh_centres[Lanes::table_size] = {0x1.5fffdap0,
                                                    0x1.9fffbp0,
                                                    0x1.e00076p0,
                                                    0x1.0fffa6p1,
                                                    0x1.2fff94p1,
                                                    0x1.4fff78p1,
                                                    0x1.70003ep1,
                                                    0x1.90032cp1,
                                                    0x1.bfff5cp1,
                                                    0x1.00005ap2,
                                                    0x1.2000dcp2,
                                                    0x1.400198p2,
                                                    0x1.6005e4p2,
                                                    0x1.800662p2,
                                                    0x1.9fef92p2,
                                                    0x1.bfe892p2,
                                                    0x1.f0176ep2,
                                                    0x1.17e892p3,
                                                    0,
                                                    0,
                                                    0,
                                                    0x1.80002p-4,
                                                    0x1.3fffap-3,
                                                    0x1.c00002p-3,
                                                    0x1.3fff52p-2,
                                                    0x1.bfff6p-2,
                                                    0x1.2000dcp-1,
                                                    0x1.600038p-1,
                                                    0x1.9fff5ep-1,
                                                    0x1.dfffbp-1,
                                                    0x1.0fff3cp0,
                                                    0x1.2fff9p0};
constexpr double tanh_powers[5][Lanes::table_size] = {{0x1.c27894p-1,
                                                       0x1.d9c6e4p-1,
                                                       0x1.e878b4p-1,
                                                       0x1.f1993ap-1,
                                                       0x1.f73768p-1,
                                                       0x1.faa788p-1,
                                                       0x1.fcc05p-1,
                                                       0x1.fe0704p-1,
                                                       0x1.ff112ap-1,
                                                       0x1.ffa818p-1,
                                                       0x1.ffdfa8p-1,
                                                       0x1.fff41ap-1,
                                                       0x1.fffbap-1,
                                                       0x1.fffe64p-1,
                                                       0x1.ffff68p-1,
                                                       0x1.ffffc8p-1,
                                                       0x1.fffff4p-1,
                                                       0x1.fffffep-1,
                                                       1,
                                                       1,
                                                       0,
                                                       0x1.7ee122p-4,
                                                       0x1.3d6b6ap-3,
                                                       0x1.b8fd06p-3,
                                                       0x1.35f8ecp-2,
                                                       0x1.a5721ap-2,
                                                       0x1.050912p-1,
                                                       0x1.315804p-1,
                                                       0x1.5788a6p-1,
                                                       0x1.77d814p-1,
                                                       0x1.92bf1ep-1,
                                                       0x1.a8db86p-1},
                                                      {0x1.cea81ap-3,
                                                       0x1.265edp-3,
                                                       0x1.6fce06p-4,
                                                       0x1.c65cd2p-5,
                                                       0x1.16a94p-5,
                                                       0x1.54541p-6,
                                                       0x1.9e854ep-7,
                                                       0x1.f801cp-8,
                                                       0x1.dd299ap-9,
                                                       0x1.5f739ap-10,
                                                       0x1.02ad56p-11,
                                                       0x1.7cacf8p-13,
                                                       0x1.17f592p-14,
                                                       0x1.9bf76ap-16,
                                                       0x1.2ffbe6p-17,
                                                       0x1.bfb392p-19,
                                                       0x1.8cc314p-21,
                                                       0x1.b1dc32p-24,
                                                       0,
                                                       0,
                                                       1,
                                                       0x1.fb86b6p-1,
                                                       0x1.f3b366p-1,
                                                       0x1.e842cap-1,
                                                       0x1.d1159ep-1,
                                                       0x1.a945f2p-1,
                                                       0x1.7aea48p-1,
                                                       0x1.49e69ep-1,
                                                       0x1.19805p-1,
                                                       0x1.d8355p-2,
                                                       0x1.866344p-2,
                                                       0x1.3ee82p-2},
                                                      {-0x1.970f64p-3,
                                                       -0x1.106546p-3,
                                                       -0x1.5ee77ep-4,
                                                       -0x1.b9959cp-5,
                                                       -0x1.11e1a8p-5,
                                                       -0x1.50c6d8p-6,
                                                       -0x1.9be474p-7,
                                                       -0x1.f6106p-8,
                                                       -0x1.dc50dp-9,
                                                       -0x1.5f3b78p-10,
                                                       -0x1.02a022p-11,
                                                       -0x1.7cac3p-13,
                                                       -0x1.17fec4p-14,
                                                       -0x1.9c1d3ap-16,
                                                       -0x1.2f658ep-17,
                                                       -0x1.ad51bep-19,
                                                       -0x1.2ec73p-20,
                                                       0x1.8e319ap-23,
                                                       0,
                                                       0,
                                                       0x1.8ed738p-18,
                                                       -0x1.7b8814p-4,
                                                       -0x1.35cb44p-3,
                                                       -0x1.a48aap-3,
                                                       -0x1.19914ap-2,
                                                       -0x1.5e0ec8p-2,
                                                       -0x1.825e28p-2,
                                                       -0x1.897d2ep-2,
                                                       -0x1.79c122p-2,
                                                       -0x1.5aa26p-2,
                                                       -0x1.3315aep-2,
                                                       -0x1.08a0f2p-2},
                                                      {0x1.97186cp-4,
                                                       0x1.33fbdcp-4,
                                                       0x1.a916bcp-5,
                                                       0x1.166cecp-5,
                                                       0x1.61aed4p-6,
                                                       0x1.b9212p-7,
                                                       0x1.1013a4p-7,
                                                       0x1.4d5ca8p-8,
                                                       0x1.413f08p-9,
                                                       0x1.daf7b4p-11,
                                                       0x1.5e0e9p-12,
                                                       0x1.01a734p-13,
                                                       0x1.7adb7ap-15,
                                                       0x1.166a5ap-16,
                                                       0x1.99749cp-18,
                                                       0x1.2ca3c8p-19,
                                                       0x1.13f4d8p-21,
                                                       0x1.33cb84p-24,
                                                       0,
                                                       0,
                                                       -0x1.55ecbep-2,
                                                       -0x1.4958fap-2,
                                                       -0x1.35040ap-2,
                                                       -0x1.1827aep-2,
                                                       -0x1.c134bp-3,
                                                       -0x1.16f5c6p-3,
                                                       -0x1.bed178p-5,
                                                       0x1.cd9778p-7,
                                                       0x1.05dd04p-4,
                                                       0x1.8324bcp-4,
                                                       0x1.bceaf4p-4,
                                                       0x1.c4a448p-4},
                                                      {-0x1.58fbeap-6,
                                                       -0x1.9b93cp-6,
                                                       -0x1.559baap-6,
                                                       -0x1.eb453ap-7,
                                                       -0x1.48993p-7,
                                                       -0x1.a610dep-8,
                                                       -0x1.08e706p-8,
                                                       -0x1.48422cp-9,
                                                       -0x1.3e42ecp-10,
                                                       -0x1.d8d4cp-12,
                                                       -0x1.5d197cp-13,
                                                       -0x1.00db5cp-14,
                                                       -0x1.78fdfep-16,
                                                       -0x1.13460ep-17,
                                                       -0x1.b60834p-19,
                                                       -0x1.b28eeap-19,
                                                       0x1.54ac56p-20,
                                                       -0x1.39cad4p-20,
                                                       0,
                                                       0,
                                                       0x1.058fd6p-6,
                                                       0x1.ed7614p-5,
                                                       0x1.8c7b96p-4,
                                                       0x1.045052p-3,
                                                       0x1.4266b2p-3,
                                                       0x1.5bb168p-3,
                                                       0x1.39c242p-3,
                                                       0x1.e989c8p-4,
                                                       0x1.4716dcp-4,
                                                       0x1.63b434p-5,
                                                       0x1.da71ecp-7,
                                                       -0x1.6d924ap-8}};

/// ln m = -ln s + ln(1 + (m s - 1)): s near 1 / m, so chosen that ln s is nearly an f32; from m = 23/16 on, nearly one
/// less what an f32 lacks of ln 2, which is then subtracted for what is just below 1.
constexpr double log_scales[Lanes::table_size] = {1,
                                                  0x1.e9108ap-1,
                                                  0x1.dae26cp-1,
                                                  0x1.cd8212p-1,
                                                  0x1.c0d872p-1,
                                                  0x1.b4ddc2p-1,
                                                  0x1.a99394p-1,
                                                  0x1.9ec4fp-1,
                                                  0x1.948f5p-1,
                                                  0x1.8ac862p-1,
                                                  0x1.818358p-1,
                                                  0x1.78a7f4p-1,
                                                  0x1.702a5p-1,
                                                  0x1.681ca6p-1,
                                                  0x1.605aacp-1,
                                                  0x1.58e8p-1,
                                                  0x1.51d2bap-1,
                                                  0x1.4aff8p-1,
                                                  0x1.446868p-1,
                                                  0x1.3e21b8p-1,
                                                  0x1.3817b6p-1,
                                                  0x1.32331ep-1,
                                                  0x1.2ca236p-1,
                                                  0x1.273046p-1,
                                                  0x1.21fda4p-1,
                                                  0x1.1cf25ep-1,
                                                  0x1.18085cp-1,
                                                  0x1.135d42p-1,
                                                  0x1.0eded2p-1,
                                                  0x1.0a6a24p-1,
                                                  0x1.06270cp-1,
                                                  0x1p-1};
constexpr double log_of_scales[Lanes::table_size] = {0,
                                                     0x1.777088p-5,
                                                     0x1.343c96p-4,
                                                     0x1.a94474p-4,
                                                     0x1.0d9c6p-3,
                                                     0x1.45033ap-3,
                                                     0x1.7aa258p-3,
                                                     0x1.af5034p-3,
                                                     0x1.e25af2p-3,
                                                     0x1.0a3a9p-2,
                                                     0x1.228f3ep-2,
                                                     0x1.3a5c26p-2,
                                                     0x1.51b52ap-2,
                                                     0x1.685b0ap-2,
                                                     0x1.7ea8p-2,
                                                     0x1.948882p-2,
                                                     0x1.a9c806p-2,
                                                     0x1.beae66p-2,
                                                     0x1.d3466p-2,
                                                     0x1.e7479ep-2,
                                                     0x1.fae7bcp-2,
                                                     0x1.07367p-1,
                                                     0x1.109af6p-1,
                                                     0x1.19f6b2p-1,
                                                     0x1.230f38p-1,
                                                     0x1.2c0b1ep-1,
                                                     0x1.34f342p-1,
                                                     0x1.3d8ecp-1,
                                                     0x1.45fb78p-1,
                                                     0x1.4e7984p-1,
                                                     0x1.56bb5ap-1,
                                                     0x1.62e43p-1};  // -ln s

/// The polynomial in d whose coefficients, lowest degree first, stand in tables.
Value* polynomial(const Lanes& l, std::span<const double[Lanes::table_size]> powers, Value* index, Value* d) {
  Value* sum = l.lookup(powers.back(), index);
  for (std::size_t power = powers.size() - 1; power-- > 0;) sum = l.fma(sum, d, l.lookup(powers[power], index));
  return sum;
}

}  // namespace

/// e^x = 2^n 2^(i/32) e^r, x = (n + i/32) ln 2 + r, |r| <= ln 2 / 64.
Value* emit_exp_by_table(IRBuilder<>& b, const Lanes& l, Value* x) {
  static const std::array<double, Lanes::table_size> roots = [] {
    std::array<double, Lanes::table_size> made{};
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = std::exp2(static_cast<double>(i) / Lanes::table_size);
    return made;
  }();
  static constexpr double slope[] = {0x1.0000fap0, 0.5};  // (e^r - 1) / r: 5.5e-8 of e^r
  static constexpr double high = 0x1.62e4p-1,
                          low = std::numbers::ln2 - high;  // n high is exact before the sum is rounded
  static constexpr double shift = 0x1.8p18;                // the last bits of a number plus this are 32nds
  Value* const shifted = l.fma(x, l.real(std::numbers::log2e), l.real(shift));
  Value* const n = b.CreateFSub(shifted, l.real(shift));
  // Of x so large that r means nothing, n alone makes infinity or 0, and of NaN n is NaN.
  Value* const r = l.within(l.fma(n, l.real(-low), l.fma(n, l.real(-high), x)), 0x1p-6);
  Value* const root = l.lookup(roots, l.bits(shifted));
  return l.scale(l.fma(root, b.CreateFMul(r, l.polynomial(r, slope)), root), n);
}

Value* emit_erf_by_table(IRBuilder<>& b, const Lanes& l, Value* x) {
  static constexpr double shift = 0x1.8p20;                 // the last bits of a number plus this are eighths
  Value* const bounded = l.at_most(l.abs(x), l.real(3.9));  // beyond: 1
  Value* const shifted = b.CreateFAdd(bounded, l.real(shift));
  Value* const d = b.CreateFSub(bounded, b.CreateFSub(shifted, l.real(shift)));
  Value* const result = polynomial(l, erf_powers, l.bits(shifted), d);
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, result, x);
}

/// Intervals that widen with x, by the first bits of x + 3/4: 4 of 1/16, 8 of 1/8, 8 of 1/4, 8 of 1/2, 4 of 1.
Value* emit_tanh_by_table(IRBuilder<>& b, const Lanes& l, Value* x) {
  static constexpr unsigned interval_bit = 20;             // 23 bits of mantissa, of which 3
  Value* const bounded = l.at_most(l.abs(x), l.real(11));  // beyond: 1
  Value* const index = b.CreateLShr(l.bits(b.CreateFAdd(bounded, l.real(0.75))), l.integer(interval_bit));
  Value* const d = b.CreateFSub(bounded, l.lookup(tanh_centres, index));
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, polynomial(l, tanh_powers, index, d), x);
}

/// ln x = e ln 2 + ln m, x = 2^e m, 1 <= m < 2, m by its first five bits after the 1. Next to 1 s is 1, and next to 2
/// 1/2, so that near x = 1 nothing cancels. Of 0 and infinity e is infinite, of what is negative m is NaN.
Value* emit_log_by_table(IRBuilder<>& b, const Lanes& l, Value* x) {
  // (ln(1 + r) - r) / r^2, -1/64 <= r <= 1/32: 8e-9 of ln(1 + r)
  static constexpr double rest[] = {-0x1.00002ap-1, 0x1.555d94p-2, -0x1.f37dc8p-3};
  static constexpr unsigned interval_bit = 18;  // 23 bits of mantissa, of which 5
  Value* const m = l.mantissa(x);
  Value* const index = b.CreateLShr(l.bits(m), l.integer(interval_bit));
  Value* const r = l.fma(m, l.lookup(log_scales, index), l.real(-1));
  // ln 2 is near enough to an f32 that one product serves.
  Value* const whole = l.fma(l.exponent(x), l.real(std::numbers::ln2), l.lookup(log_of_scales, index));
  return b.CreateFAdd(whole, l.fma(b.CreateFMul(r, r), l.polynomial(r, rest), r));
}

}  // namespace nnc::runtime::jit
