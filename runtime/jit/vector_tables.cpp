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
  Value* const bounded = l.at_least(l.at_most(x, l.real(89)), l.real(-105));  // beyond: infinity, 0
  Value* const shifted = l.fma(bounded, l.real(std::numbers::log2e), l.real(shift));
  Value* const n = b.CreateFSub(shifted, l.real(shift));
  Value* const r = l.fma(n, l.real(-low), l.fma(n, l.real(-high), bounded));
  Value* const root = l.lookup(roots, l.bits(shifted));
  return l.scale(l.fma(root, b.CreateFMul(r, l.polynomial(r, slope)), root), n);
}

Value* emit_erf_by_table(IRBuilder<>& b, const Lanes& l, Value* x) {
  static constexpr double shift = 0x1.8p20;                 // the last bits of a number plus this are eighths
  Value* const bounded = l.at_most(l.abs(x), l.real(3.9));  // beyond: 1
  Value* const shifted = b.CreateFAdd(bounded, l.real(shift));
  Value* const d = b.CreateFSub(bounded, b.CreateFSub(shifted, l.real(shift)));
  Value* result = nullptr;
  for (std::size_t power = std::size(erf_powers); power-- > 0;) {
    Value* const coefficient = l.lookup(erf_powers[power], l.bits(shifted));
    result = result == nullptr ? coefficient : l.fma(result, d, coefficient);
  }
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::copysign, result, x);
}

}  // namespace nnc::runtime::jit
