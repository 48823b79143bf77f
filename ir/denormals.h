// Denormals are zeros (docs/semantics.md), wherever ops are computed.
#pragma once

#include <xmmintrin.h>

namespace nnc::ir {

/// While one lives, this thread's arithmetic takes denormal operands for zeros and gives zeros for denormal results. A
/// thread that is started meanwhile inherits it, and keeps it.
class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) { keep(); }
  ~FlushDenormals() { _mm_setcsr(before_); }
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;

  /// For the rest of this thread's life, which may be one of a pool.
  static void keep() { _mm_setcsr(_mm_getcsr() | flush_to_zero | denormals_are_zero); }

 private:
  static constexpr unsigned flush_to_zero = 0x8000, denormals_are_zero = 0x0040;  // of MXCSR
  unsigned before_;
};

}  // namespace nnc::ir
