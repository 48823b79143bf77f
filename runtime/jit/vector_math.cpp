#include "runtime/jit/vector_math.h"

#include "runtime/jit/lanes.h"
#include "runtime/jit/vector_tables.h"

#include <limits>
#include <numbers>

// Coefficients are minimax fits for the relative error of the whole function, refitted after each one is rounded to its
// type; the bounds given are those of the fit, without the rounding of the arithmetic.

namespace nnc::runtime::jit {

namespace {

using llvm::IRBuilder;
using llvm::Value;

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// Formulas are meant as they stand, whatever the builder is set to.
class AsWritten {
 public:
  explicit AsWritten(IRBuilder<>& builder) : guard_(builder) { builder.clearFastMathFlags(); }

 private:
  IRBuilder<>::FastMathFlagGuard guard_;
};

/// An angle as r + quadrant pi/2, |r| <= pi/4.
struct Angle {
  Value* r;
  Value* quadrant;  // i32, of which the last two bits count
};

/// In f64: x / 2 pi is a sum of products of x with parts of 1 / 2 pi. A part has 29 bits, so that its product with the 24
/// bits of x is exact, and so is what is left of it without its whole turns, however large x is. What the last part
/// gives is far below one turn. Infinity gives NaN.
Angle emit_reduced_angle(IRBuilder<>& b, const Lanes& l, Value* x) {
  static constexpr double parts[] = {0x1.45f306dp-3,  0x1.9391054p-32,  0x1.4fe13abp-61,
                                     0x1.d1f534dp-90, 0x1.b81b6c5p-119, 0x1.5993c439041fep-150};
  static constexpr double shift = 0x1.8p52;  // the last bits of a number plus this are its whole part
  Value* const wide = b.CreateFPExt(x, l.f64());
  Value* turns = nullptr;
  for (const double part : std::span(parts).first(5)) {
    Value* const product = b.CreateFMul(wide, l.real64(part));
    Value* const rest = b.CreateFSub(product, l.round(product));
    turns = turns == nullptr ? rest : b.CreateFAdd(turns, rest);
  }
  turns = l.fma(wide, l.real64(parts[5]), turns);
  Value* const shifted = l.fma(turns, l.real64(4), l.real64(shift));
  Value* const quarters = b.CreateFSub(shifted, l.real64(shift));
  Value* const rest = l.fma(quarters, l.real64(-0.25), turns);
  Value* const r = b.CreateFPTrunc(b.CreateFMul(rest, l.real64(2 * std::numbers::pi)), l.f32());
  return {r, b.CreateTrunc(l.bits64(shifted), l.i32())};
}

/// Of r + quadrant pi/2: sin r, cos r, -sin r, -cos r.
Value* emit_sine_of(IRBuilder<>& b, const Lanes& l, const Angle& angle) {
  static constexpr double sine[] = {-0x1.555546p-3, 0x1.110778p-7, -0x1.9954p-13};         // 4e-9
  static constexpr double cosine[] = {1, -0x1.ffffb2p-2, 0x1.553e5ep-5, -0x1.6447c6p-10};  // 3.9e-8
  Value* const square = b.CreateFMul(angle.r, angle.r);
  Value* const odd = l.fma(b.CreateFMul(square, angle.r), l.polynomial(square, sine), angle.r);
  Value* const even = l.polynomial(square, cosine);
  Value* const swapped = b.CreateIsNotNull(b.CreateAnd(angle.quadrant, l.integer(1)));
  Value* const sign = b.CreateShl(b.CreateAnd(angle.quadrant, l.integer(2)), l.integer(30));
  return l.from_bits(b.CreateXor(l.bits(b.CreateSelect(swapped, even, odd)), sign));
}

/// 2^n, a normal number, n being what `exponent_shift` was added to.
Value* emit_power_of_two(IRBuilder<>& b, const Lanes& l, Value* shifted) {
  return l.from_bits(b.CreateShl(l.bits(shifted), l.integer(23)));
}
/// The last bits of a number plus this are its whole part, with the bias of an exponent.
constexpr double exponent_shift = 0x1.8p23 + 127;

}  // namespace

/// e^x = y^2 with y = 2^n e^(r/2), x = n 2 ln 2 + r: squaring takes 2^n, always a normal number, to the least and
/// largest results, and rounds once.
Value* emit_exp(IRBuilder<>& builder, Value* x) {
  const AsWritten as_written(builder);
  IRBuilder<>& b = builder;
  const Lanes l(b, x);
  if (l.has_tables()) return emit_exp_by_table(b, l, x);
  // e^(r/2), |r| <= ln 2: 3.1e-9
  static constexpr double root[] = {1, 0.5, 0x1.fffffcp-4, 0x1.555492p-6, 0x1.5558b4p-9, 0x1.1239ap-12, 0x1.6a495cp-16};
  static constexpr double high = 0x1.62e4p0, low = 2 * std::numbers::ln2 - high;  // n high is exact
  Value* const bounded = l.at_least(l.at_most(x, l.real(89)), l.real(-105));      // beyond: infinity, 0
  Value* const shifted = l.fma(bounded, l.real(0.5 * std::numbers::log2e), l.real(exponent_shift));
  Value* const n = b.CreateFSub(shifted, l.real(exponent_shift));
  Value* const r = l.fma(n, l.real(-low), l.fma(n, l.real(-high), bounded));
  Value* const y = b.CreateFMul(l.polynomial(r, root), emit_power_of_two(b, l, shifted));
  return b.CreateFMul(y, y);
}

/// ln x = e ln 2 + ln m, x = 2^e m, sqrt(1/2) <= m < sqrt(2).
Value* emit_log(IRBuilder<>& builder, Value* x) {
  const AsWritten as_written(builder);
  IRBuilder<>& b = builder;
  const Lanes l(b, x);
  if (l.has_tables()) return emit_log_by_table(b, l, x);
  // (ln(1 + f) - f) / f^2, sqrt(1/2) - 1 <= f <= sqrt(2) - 1: 3e-8 of ln(1 + f)
  static constexpr double rest[] = {-0x1.fffffap-2, 0x1.5556f2p-2, -0x1.0004acp-2, 0x1.98d312p-3,
                                    -0x1.535aep-3,  0x1.3180fap-3, -0x1.2511b2p-3, 0x1.65f856p-4};
  static constexpr std::uint32_t root_half = 0x3F3504F3;  // sqrt(1/2)
  Value* const tiny = b.CreateFCmpOLT(x, l.real(0x1p-126));
  Value* const normal = b.CreateSelect(tiny, b.CreateFMul(x, l.real(0x1p23)), x);
  Value* const from_root = b.CreateSub(l.bits(normal), l.integer(root_half));
  Value* const exponent = b.CreateSIToFP(b.CreateAShr(from_root, l.integer(23)), l.f32());
  Value* const e = b.CreateSelect(tiny, b.CreateFSub(exponent, l.real(23)), exponent);
  Value* const m = l.from_bits(b.CreateAdd(b.CreateAnd(from_root, l.integer(0x007FFFFF)), l.integer(root_half)));
  Value* const f = b.CreateFSub(m, l.real(1));
  Value* const log_m = l.fma(b.CreateFMul(f, f), l.polynomial(f, rest), f);
  // ln 2 is near enough to an f32 that one product serves.
  Value* result = l.fma(e, l.real(std::numbers::ln2), log_m);
  result = b.CreateSelect(b.CreateFCmpOLT(x, l.real(infinity)), result, x);  // infinity and NaN are their own
  result = b.CreateSelect(b.CreateFCmpOLT(x, l.real(0)), l.real(nan), result);
  return b.CreateSelect(b.CreateFCmpOEQ(x, l.real(0)), l.real(-infinity), result);
}

Value* emit_sin(IRBuilder<>& builder, Value* x) {
  const AsWritten as_written(builder);
  const Lanes l(builder, x);
  Value* const sine = emit_sine_of(builder, l, emit_reduced_angle(builder, l, x));
  return builder.CreateSelect(builder.CreateFCmpOEQ(x, l.real(0)), x, sine);  // the sign of a zero
}

/// A quarter turn before the sine.
Value* emit_cos(IRBuilder<>& builder, Value* x) {
  const AsWritten as_written(builder);
  const Lanes l(builder, x);
  const Angle angle = emit_reduced_angle(builder, l, x);
  return emit_sine_of(builder, l, {angle.r, builder.CreateAdd(angle.quadrant, l.integer(1))});
}

/// t / (t + 2) with t = e^2x - 1: what t lacks counts less the nearer the result is to 1.
Value* emit_tanh(IRBuilder<>& builder, Value* x) {
  const AsWritten as_written(builder);
  IRBuilder<>& b = builder;
  const Lanes l(b, x);
  if (l.has_tables()) return emit_tanh_by_table(b, l, x);
  // (e^2r - 1) / r, |r| <= ln 2 / 4: 1.4e-8
  static constexpr double rest[] = {2, 0x1.fffffep0, 0x1.5554b4p0, 0x1.5556f2p-1, 0x1.12256p-2, 0x1.6b9caap-4};
  Value* const bounded = l.at_least(l.at_most(x, l.real(10)), l.real(-10));  // beyond: 1, -1
  Value* const shifted = l.fma(bounded, l.real(2 * std::numbers::log2e), l.real(exponent_shift));
  Value* const n = b.CreateFSub(shifted, l.real(exponent_shift));
  Value* const r = l.fma(n, l.real(-std::numbers::ln2 / 2), bounded);
  Value* const power = emit_power_of_two(b, l, shifted);
  Value* const t = l.fma(power, b.CreateFMul(r, l.polynomial(r, rest)), b.CreateFSub(power, l.real(1)));
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, b.CreateFDiv(t, b.CreateFAdd(t, l.real(2))), x);
}

/// 1 - 2^g with g = log2(1 - erf |x|): what g lacks counts less the nearer the result is to 1.
Value* emit_erf(IRBuilder<>& builder, Value* x) {
  const AsWritten as_written(builder);
  IRBuilder<>& b = builder;
  const Lanes l(b, x);
  if (l.has_tables()) return emit_erf_by_table(b, l, x);
  // g(a) / a, 0 <= a <= 3.95: 3.7e-8 of the result
  static constexpr double slope[] = {-0x1.a0be84p0,   -0x1.d63e62p-1,  -0x1.2fc338p-3, 0x1.c85498p-6,
                                     -0x1.15f52cp-12, -0x1.df40c8p-10, 0x1.243996p-11, -0x1.f54978p-15};
  // (2^r - 1) / r, |r| <= 1/2: 1.3e-8
  static constexpr double rest[] = {0x1.62e43p-1,  0x1.ebfbdep-3,  0x1.c6afa4p-5,
                                    0x1.3b2c3ap-7, 0x1.5ef14ap-10, 0x1.429a38p-13};
  Value* const bounded = l.at_most(l.abs(x), l.real(3.95));  // beyond: 1
  Value* const g = b.CreateFMul(bounded, l.polynomial(bounded, slope));
  Value* const shifted = b.CreateFAdd(g, l.real(exponent_shift));
  Value* const r = b.CreateFSub(g, b.CreateFSub(shifted, l.real(exponent_shift)));
  Value* const power = emit_power_of_two(b, l, shifted);
  Value* const t = l.fma(power, b.CreateFMul(r, l.polynomial(r, rest)), b.CreateFSub(power, l.real(1)));
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, t, x);
}

namespace {

/// log2 of a number that is not negative, f64: e + log2 m, sqrt(1/2) <= m < sqrt(2). With s = (m - 1) / (m + 1),
/// log2 m = 2 artanh(s) / ln 2.
Value* emit_log2(IRBuilder<>& b, const Lanes& l, Value* x) {
  static constexpr double series[] = {0x1.71547652bede3p+1, 0x1.ec709d12c9e35p-1, 0x1.27777ff155818p-1,
                                      0x1.a58d837b79601p-2, 0x1.5ce8c57ece360p-2};  // |s| <= 0.1716: 4.2e-12
  static constexpr std::uint64_t root_half = 0x3FE6A09E667F3BCD, bias = 1023, mantissa = 0x000FFFFFFFFFFFFF;
  // f32 made f64 is normal; the bias keeps the exponent positive, so that no shift of a signed number is needed.
  Value* const from_root = b.CreateAdd(l.bits64(x), l.integer64((bias << 52) - root_half));
  Value* const m = l.from_bits64(b.CreateAdd(b.CreateAnd(from_root, l.integer64(mantissa)), l.integer64(root_half)));
  Value* const biased = b.CreateOr(b.CreateLShr(from_root, l.integer64(52)), l.integer64(0x4330000000000000));
  Value* const e = b.CreateFSub(l.from_bits64(biased), l.real64(0x1p52 + bias));
  Value* const s = b.CreateFDiv(b.CreateFSub(m, l.real64(1)), b.CreateFAdd(m, l.real64(1)));
  Value* const log = l.fma(s, l.polynomial(b.CreateFMul(s, s), series), e);
  Value* const finite = b.CreateSelect(b.CreateFCmpOLT(x, l.real64(infinity)), log, x);
  return b.CreateSelect(b.CreateFCmpOEQ(x, l.real64(0)), l.real64(-infinity), finite);
}

/// 2^t of an f64, as f32: 2^r in f32, |r| <= 1/2, times 2^n in two steps, which are normal numbers.
Value* emit_exp2(IRBuilder<>& b, const Lanes& l, Value* t) {
  static constexpr double power[] = {
      1, 0x1.62e430p-1, 0x1.ebfbdcp-3, 0x1.c6af7cp-5, 0x1.3b2de0p-7, 0x1.5f0838p-10, 0x1.416b80p-13};  // 3e-9
  static constexpr double shift = 0x1.8p52 + 2 * 127;  // the last bits are the whole part, biased twice
  Value* const bounded = l.at_least(l.at_most(t, l.real64(200)), l.real64(-200));
  Value* const shifted = b.CreateFAdd(bounded, l.real64(shift));
  Value* const n = b.CreateFSub(shifted, l.real64(shift));
  Value* const r = b.CreateFPTrunc(b.CreateFSub(bounded, n), l.f32());
  Value* const biased = b.CreateTrunc(l.bits64(shifted), l.i32());
  Value* const half = b.CreateLShr(biased, l.integer(1));
  const auto power_of_two = [&](Value* exponent) { return l.from_bits(b.CreateShl(exponent, l.integer(23))); };
  Value* const y = b.CreateFMul(l.polynomial(r, power), power_of_two(half));
  return b.CreateFMul(y, power_of_two(b.CreateSub(biased, half)));
}

}  // namespace

/// |x|^y = 2^(y log2 |x|), whose exponent needs more bits than f32 has. C's special cases are those of the logarithm (0,
/// infinity and NaN for x and y), a sign for odd y, and what is selected at the end.
Value* emit_pow(IRBuilder<>& builder, Value* x, Value* y) {
  const AsWritten as_written(builder);
  IRBuilder<>& b = builder;
  const Lanes l(b, x);
  Value* const magnitude = l.abs(x);
  Value* const log = emit_log2(b, l, b.CreateFPExt(magnitude, l.f64()));
  Value* const power = emit_exp2(b, l, b.CreateFMul(b.CreateFPExt(y, l.f64()), log));

  Value* const half = b.CreateFMul(y, l.real(0.5));
  Value* const whole = b.CreateFCmpOEQ(l.round(y), y);
  Value* const odd = b.CreateAnd(whole, b.CreateFCmpUNE(l.round(half), half));
  Value* const sign = b.CreateAnd(l.bits(x), l.integer(0x80000000));
  Value* const with_sign = l.from_bits(b.CreateOr(l.bits(power), b.CreateSelect(odd, sign, l.integer(0))));

  Value* const negative = b.CreateAnd(b.CreateFCmpOLT(x, l.real(0)), b.CreateFCmpOGT(x, l.real(-infinity)));
  Value* const result = b.CreateSelect(b.CreateAnd(negative, b.CreateNot(whole)), l.real(nan), with_sign);
  Value* const from_one =
      b.CreateAnd(b.CreateFCmpOEQ(magnitude, l.real(1)), b.CreateFCmpOEQ(l.abs(y), l.real(infinity)));
  Value* const always = b.CreateOr(b.CreateFCmpOEQ(y, l.real(0)), b.CreateFCmpOEQ(x, l.real(1)));
  return b.CreateSelect(b.CreateOr(from_one, always), l.real(1), result);
}

}  // namespace nnc::runtime::jit
