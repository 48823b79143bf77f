// A module with every construct of the text form, in canonical form.
#pragma once

#include <string_view>

namespace nnc::tests {

inline constexpr std::string_view sample_module = R"ir(nnc module 1

data image: u8[2,3]
data label: u8[] below 10
data text: i32[8] chars(65)
data ids: u16[8] tokens(50257)
predict data image: u8[2,3]
batch 4
epochs 30
steps 2000
stop patience 3 min_delta 0.001
metric accuracy
metric error

slot parameter @fc.weight : f32[5,6]
slot parameter @fc.bias : f32[5]
slot parameter @fixed : bf16[3] frozen
slot optimizer @optimizer.fc.weight.m : f32[5,6]
slot statistic @norm.mean : f32[5]
slot accumulator @train.loss.sum : f64[]
slot counter @step : i64[]
slot setting @key : i64[]

update @fc.weight by @adam.0 (@optimizer.fc.weight.m)
update @fc.bias by @sgd.0

rule @adam.0(%param: f32[5,6], %grad: f32[5,6], %m: f32[5,6]) {
  %0 = constant 0.5 : f32[]
  %1 = mul %0, %grad : f32[5,6]  loc("std/optimizers.nn":4:2)
  %2 = sub %param, %1 : f32[5,6]
  return param = %2, m = %1
}

rule @sgd.0(%param: f32[5], %grad: f32[5]) {
  %0 = sub %param, %grad : f32[5]
  return param = %0
}

rule @clip(%fc.weight: f32[5,6], %fc.bias: f32[5]) {
  %0 = neg %fc.weight : f32[5,6]
  return grad @fc.weight = %0, grad @fc.bias = %fc.bias
}

graph @init() {
  %key = slot @key : i64[]
  %step = slot @step : i64[]
  %0 = random %key, %step {stream = "fc.weight"} : f32[5,6]  loc("a.nn":1:2 > "std/layers.nn":3:5)
  %1 = constant [0.0, 1.0, -0.0, inf, nan] : f32[5]
  %2 = constant 0.0 : f32[5,6]
  %3 = constant nan(0xffc00001) : f32[5]
  %4 = constant [0.1, -inf, 3e+38] : bf16[3]
  %5 = constant [[1, 65535], [7, 0]] : u16[2,2]
  %6 = constant [[1], [2]] : i64[2,1]
  %7 = constant -9223372036854775808 : i64[]
  return @fc.weight = %0,
         @fc.bias = %1,
         @optimizer.fc.weight.m = %2,
         @norm.mean = %3,
         @fixed = %4
}

graph @train@4(%image: u8[4,2,3], %label: u8[4], %text: i32[4,8], %ids: u16[4,8]) {
  %fc.weight = slot @fc.weight : f32[5,6]                                       loc("a.nn":7:12)
  %0 = slot @fc.weight : f32[5,6]
  %step = slot @step : i64[]
  %1 = cast %image : f32[4,2,3]                                                 loc("a.nn":19:16, "b.nn":2:3)
  %2 = reshape %1 : f32[4,6]<1,0>                                               loc("a.nn":19:16)
  %3 = matmul %2, %fc.weight {transpose_b = true, accumulate = f64} : f32[4,5]  loc("a.nn":19:16) grad
  %4 = constant [[1, 2, 3], [4, 5, 6]] : i32[2,3]
  %5 = constant true : bool[4]
  %6 = sum %3 {axis = [1]} : f32[4]                                             grad @fc.weight
  %7 = sum %6 : f32[]                                                           loc("we\"ird\x01\n.nn":7:12) clip
  %8 = permute %2 {order = [1, 0]} : f32[6,4]                                   update @fc.weight
  %9, %10 = scan %6, %3, %7 {length = 4, carries = 1, scanned = 0} (%11: i32[], %12: f32[4], %13: f32[4,5], %14: f32[]) {
    %15 = mul %12, %14 : f32[4]                                                 loc("a.nn":30:2)
    %16 = scan %15 {length = 2, carries = 1, scanned = 0} (%17: i32[], %18: f32[4]) {
      %19 = add %18, %18 : f32[4]
      yield %19
    } : f32[4]
    yield %16, %12
  } : f32[4], f32[4,4]                                                          loc("a.nn":29:1)
  %20 = pad %8 {low = [1, 0], high = [0, 2], value = 1.5} : f32[7,6]
  %21 = cast %7 : f64[]
  %22, %23 = scan %6 {length = 2, carries = 1, scanned = 0} (%24: i32[], %25: f32[4]) {
    yield %25, %24
  } : f32[4], i32[2]                                                            update
  return loss = %7, @fc.weight = %fc.weight, @train.loss.sum = %21, grad @fc.weight = %0
}

graph @eval@2(%image: u8[2,2,3], %label: u8[2], %text: i32[2,8], %ids: u16[2,8]) {
  %0 = reshape %label : u8[2,1]
  %1 = equals_index %0 {size = 10} : bool[2,10]
  %2 = argmax %image {axis = [1], keepdim = true} : i32[2,1,3]
  return
}

graph @predict@4(%image: u8[4,2,3]) {
  return same = %image
}
)ir";

}  // namespace nnc::tests
