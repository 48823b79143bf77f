// A lowered module with every construct of the text form, in canonical form.
#pragma once

#include <string_view>

namespace nnc::tests {

inline constexpr std::string_view sample_program = R"ir(nnc module 1

data x: f32[4]
data label: u8[] below 3
batch 2

target generic

slot parameter @w : f32[3,4]
slot parameter @b : f32[3]
slot optimizer @m.w : f32[3,4]
slot optimizer @m.b : f32[3]
slot accumulator @train.loss.sum : f64[]
slot counter @step : i64[]

kernel @k0 = fused {domain = dims(i: 2, j: 3), reads = [at(3*i + j), at(j)], writes = [at(3*i + j), at(j), at(0)], schedule = plan(parallel i by 1, vector j of 8)} (%0: f32[2,3], %1: f32[1,3]) {
  %2 = add %0, %1 : f32[2,3]
  %3 = exp %2 : f32[2,3]
  %4 = sum %3 {axis = [0], keepdim = true} : f32[1,3]
  %5 = sum %3 {keepdim = true} : f32[1,1]
  yield %3, %4, %5
}

kernel @k1 = fused {domain = dims(i: 12), reads = [at(i), at(i), at(i), at(0)], writes = [at(i), at(i)], schedule = plan(parallel i by 16384, vector i of 8, unroll 4)} (%0: f32[12], %1: f32[12], %2: f32[12], %3: f32[]) {
  %4 = add %0, %1 : f32[12]
  %5 = mul %4, %3 : f32[12]
  %6 = sub %2, %5 : f32[12]
  yield %4, %6
}

kernel @k2 = fused {domain = dims(), reads = [at(0), at(0)], writes = [at(0)]} (%0: f32[], %1: f64[]) {
  %2 = cast %0 : f64[]
  %3 = add %1, %2 : f64[]
  yield %3
}

kernel @k3 = fused {domain = dims(i: 6), reads = [at(i)], writes = [at(i)], schedule = plan(parallel i by 64, vector i of 8, stream 0, prefetch)} (%0: f32[6]) {
  %1 = exp %0 : f32[6]
  yield %1
}

kernel @k4 = fused {domain = dims(), reads = [at(0)], writes = [at(0)]} (%0: f64[]) {
  yield %0
}

program @train@2(%x: f32[2,4], %label: u8[2]) {
  transient 320
  scratch 256
  buffer %w: f32[3,4] slot @w
  buffer %0: f32[2,3] transient 0
  buffer %b: f32[3] slot @b
  buffer %1: f32[2,3] transient 0
  buffer %2: f32[3] transient 64
  buffer %3: f32[] transient 128
  buffer %x.1: f32[4,2] is %x
  buffer %4: f32[3,2] is %1
  buffer %5: f32[3,4] transient 192
  buffer %6: f32[3,4] transient 256
  buffer %m.w: f32[3,4] slot @m.w
  buffer %7: f32[] constant 0.1
  buffer %m.b: f32[3] slot @m.b
  buffer %train.loss.sum: f64[] slot @train.loss.sum
  buffer %8: f32[2,3] transient 192
  buffer %9: f32[6] is %8
  run matmul {transpose_b = true} (%x, %w) -> (%0) threads 2  loc("a.nn":7:12)
  run @k0 (%0, %b) -> (%1, %2, %3) threads 1 scratch 256      loc("a.nn":7:20, "a.nn":8:2)
  run matmul {transpose_b = true} (%4, %x.1) -> (%5) threads 1
  run matmul {transpose_a = true} (%1, %x) -> (%6) threads 1  loc("a.nn":7:12) grad @w
  run @k1 (%m.w, %6, %w, %7) -> (%m.w, %w),
      (%m.b, %2, %b, %7) -> (%m.b, %b) extent 3
      threads 2                                               loc("a.nn":9:1) update
  run @k2 (%3, %train.loss.sum) -> (%train.loss.sum) threads 1
  run @k3 (%1) -> (%8) threads 1
  return loss = %3, flat = %9
}

program @report() {
  transient 64
  scratch 0
  buffer %train.loss.sum: f64[] slot @train.loss.sum
  buffer %0: f64[] transient 0
  run @k4 (%train.loss.sum) -> (%0) threads 1
  return train.loss = %0
}
)ir";

}  // namespace nnc::tests
