#include "bench/bandwidth_cases.h"

namespace nnc::bench {

// MAT, ROW and COL stand for the types of a matrix, of a row and of a column; MATT for the type of a transposed matrix,
// ROWS for the rows, BATCH for a 16th of them, HEADS for a 128th of the columns, HALVES for a 64th.
const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"scale", R"(
  %x = slot @x : MAT
  %a = constant 3.0 : f32[]
  %y = mul %x, %a : MAT
  return @y = %y)"},
      {"triad", R"(
  %x = slot @x : MAT
  %b = slot @b : MAT
  %a = constant 3.0 : f32[]
  %m = mul %b, %a : MAT
  %y = add %x, %m : MAT
  return @y = %y)"},
      {"bias + relu", R"(
  %x = slot @x : MAT
  %b = slot @bias : ROW
  %z = constant 0.0 : f32[]
  %h = add %x, %b : MAT
  %n = le %h, %z : BOOL
  %y = where %n, %z, %h : MAT
  return @y = %y)"},
      {"bias + gelu", R"(
  %x = slot @x : MAT
  %b = slot @bias : ROW
  %h = add %x, %b : MAT
  %c = constant 0.70710677 : f32[]
  %half = constant 0.5 : f32[]
  %one = constant 1.0 : f32[]
  %s = mul %h, %c : MAT
  %e = erf %s : MAT
  %p = add %e, %one : MAT
  %q = mul %h, %half : MAT
  %y = mul %q, %p : MAT
  return @y = %y)"},
      {"bias + gelu, gradients", R"(
  %x = slot @x : MAT
  %dy = slot @b : MAT
  %b = slot @bias : ROW
  %h = add %x, %b : MAT
  %c = constant 0.70710677 : f32[]
  %half = constant 0.5 : f32[]
  %one = constant 1.0 : f32[]
  %minus = constant -0.5 : f32[]
  %density = constant 0.3989423 : f32[]
  %s = mul %h, %c : MAT
  %e = erf %s : MAT
  %p = add %e, %one : MAT
  %q = mul %p, %half : MAT
  %h2 = mul %h, %h : MAT
  %g = mul %h2, %minus : MAT
  %ge = exp %g : MAT
  %gd = mul %ge, %density : MAT
  %hg = mul %h, %gd : MAT
  %d = add %q, %hg : MAT
  %dx = mul %d, %dy : MAT
  %db = sum %dx {axis = [0], keepdim = false} : ROW
  return @y = %dx, @bias = %db)"},
      {"softmax", R"(
  %x = slot @x : MAT
  %m = max %x {axis = [1], keepdim = true} : COL
  %d = sub %x, %m : MAT
  %e = exp %d : MAT
  %s = sum %e {axis = [1], keepdim = true} : COL
  %one = constant 1.0 : f32[]
  %r = div %one, %s : COL
  %y = mul %e, %r : MAT
  return @y = %y)"},
      {"softmax, gradient", R"(
  %p = slot @x : MAT
  %dy = slot @b : MAT
  %m = mul %p, %dy : MAT
  %s = sum %m {axis = [1], keepdim = true} : COL
  %d = sub %dy, %s : MAT
  %y = mul %p, %d : MAT
  return @y = %y)"},
      {"layer_norm", R"(
  %x = slot @x : MAT
  %gamma = slot @gamma : ROW
  %beta = slot @bias : ROW
  %m, %v = moments %x {axis = [1], keepdim = true} : COL, COL
  %d = sub %x, %m : MAT
  %eps = constant 1e-05 : f32[]
  %v1 = add %v, %eps : COL
  %r = rsqrt %v1 : COL
  %n = mul %d, %r : MAT
  %g = mul %n, %gamma : MAT
  %y = add %g, %beta : MAT
  return @y = %y)"},
      {"layer_norm, gradients", R"(
  %x = slot @x : MAT
  %dy = slot @b : MAT
  %gamma = slot @gamma : ROW
  %m = slot @mean : COL
  %r = slot @rstd : COL
  %d = sub %x, %m : MAT
  %n = mul %d, %r : MAT
  %dg = mul %dy, %n : MAT
  %dgamma = sum %dg {axis = [0], keepdim = false} : ROW
  %dbeta = sum %dy {axis = [0], keepdim = false} : ROW
  %dn = mul %dy, %gamma : MAT
  %a = mean %dn {axis = [1], keepdim = true} : COL
  %dnn = mul %dn, %n : MAT
  %b = mean %dnn {axis = [1], keepdim = true} : COL
  %nb = mul %n, %b : MAT
  %t = sub %dn, %a : MAT
  %u = sub %t, %nb : MAT
  %y = mul %u, %r : MAT
  return @y = %y, @gamma = %dgamma, @bias = %dbeta)"},
      {"layer_norm, loss, gradients", R"(
  %x = slot @x : MAT
  %target = slot @b : MAT
  %gamma = slot @gamma : ROW
  %beta = slot @bias : ROW
  %m, %v = moments %x {axis = [1], keepdim = true} : COL, COL
  %d = sub %x, %m : MAT
  %eps = constant 1e-05 : f32[]
  %v1 = add %v, %eps : COL
  %r = rsqrt %v1 : COL
  %n = mul %d, %r : MAT
  %g = mul %n, %gamma : MAT
  %h = add %g, %beta : MAT
  %dy = sub %h, %target : MAT
  %dg = mul %dy, %n : MAT
  %dgamma = sum %dg {axis = [0], keepdim = false} : ROW
  %dbeta = sum %dy {axis = [0], keepdim = false} : ROW
  %dn = mul %dy, %gamma : MAT
  %a = mean %dn {axis = [1], keepdim = true} : COL
  %dnn = mul %dn, %n : MAT
  %b = mean %dnn {axis = [1], keepdim = true} : COL
  %nb = mul %n, %b : MAT
  %t = sub %dn, %a : MAT
  %u = sub %t, %nb : MAT
  %y = mul %u, %r : MAT
  return @y = %y, @gamma = %dgamma, @bias = %dbeta)"},
      {"softmax, loss, gradients", R"(
  %x = slot @x : MAT
  %target = slot @b : MAT
  %gamma = slot @gamma : ROW
  %s = mul %x, %gamma : MAT
  %m = max %s {axis = [1], keepdim = true} : COL
  %d = sub %s, %m : MAT
  %e = exp %d : MAT
  %sum = sum %e {axis = [1], keepdim = true} : COL
  %p = div %e, %sum : MAT
  %dp = sub %p, %target : MAT
  %dpp = mul %dp, %p : MAT
  %a = sum %dpp {axis = [1], keepdim = true} : COL
  %c = sub %dp, %a : MAT
  %ds = mul %c, %p : MAT
  %y = mul %ds, %gamma : MAT
  %dsx = mul %ds, %x : MAT
  %dgamma = sum %dsx {axis = [0], keepdim = false} : ROW
  return @y = %y, @gamma = %dgamma)"},
      {"adam",
       R"(
  %w = slot @x : MAT
  %g = slot @b : MAT
  %m = slot @y : MAT
  %v = slot @z : MAT
  %c0 = constant 0.9 : f32[]
  %c1 = constant 0.1 : f32[]
  %c2 = constant 0.999 : f32[]
  %c3 = constant 0.001 : f32[]
  %eps = constant 1e-08 : f32[]
  %m0 = mul %m, %c0 : MAT
  %m1 = mul %g, %c1 : MAT
  %m2 = add %m0, %m1 : MAT
  %v0 = mul %v, %c2 : MAT
  %v1 = mul %g, %c3 : MAT
  %v2 = mul %v1, %g : MAT
  %v3 = add %v0, %v2 : MAT
  %s = sqrt %v3 : MAT
  %s1 = add %s, %eps : MAT
  %q = div %m2, %s1 : MAT
  %u = mul %q, %c3 : MAT
  %w1 = sub %w, %u : MAT
  return @x = %w1, @y = %m2, @z = %v3)",
       true},
      {"transpose", R"(
  %x = slot @x : MAT
  %y = permute %x {order = [1, 0]} : MATT
  return @y = %y)",
       false, true},
      {"split heads", R"(
  %x = slot @x : MAT
  %s = reshape %x : f32[16,BATCH,HEADS,128]
  %p = permute %s {order = [0, 2, 1, 3]} : f32[16,HEADS,BATCH,128]
  %y = reshape %p : MAT
  return @y = %y)"},
      {"split heads, transposed", R"(
  %x = slot @x : MAT
  %s = reshape %x : f32[16,BATCH,HEADS,128]
  %p = permute %s {order = [0, 2, 3, 1]} : f32[16,HEADS,128,BATCH]
  %y = reshape %p : MAT
  return @y = %y)"},
      {"x * tanh(softplus(x))", R"(
  %x = slot @x : MAT
  %one = constant 1.0 : f32[]
  %e = exp %x : MAT
  %e1 = add %e, %one : MAT
  %sp = log %e1 : MAT
  %t = tanh %sp : MAT
  %y = mul %x, %t : MAT
  return @y = %y)"},
      {"rms norm over two axes", R"(
  %x0 = slot @x : MAT
  %x = reshape %x0 : f32[ROWS,HALVES,64]
  %x2 = mul %x, %x : f32[ROWS,HALVES,64]
  %m = mean %x2 {axis = [1, 2], keepdim = true} : f32[ROWS,1,1]
  %eps = constant 1e-05 : f32[]
  %m1 = add %m, %eps : f32[ROWS,1,1]
  %r = rsqrt %m1 : f32[ROWS,1,1]
  %n = mul %x, %r : f32[ROWS,HALVES,64]
  %y = reshape %n : MAT
  return @y = %y)"},
      {"lion with a bounded step",
       R"(
  %w = slot @x : MAT
  %g = slot @b : MAT
  %m = slot @y : MAT
  %c0 = constant 0.9 : f32[]
  %c1 = constant 0.1 : f32[]
  %c2 = constant 0.99 : f32[]
  %c3 = constant 0.01 : f32[]
  %lr = constant 0.001 : f32[]
  %m0 = mul %m, %c0 : MAT
  %g0 = mul %g, %c1 : MAT
  %d = add %m0, %g0 : MAT
  %t = tanh %d : MAT
  %m1 = mul %m, %c2 : MAT
  %g1 = mul %g, %c3 : MAT
  %m2 = add %m1, %g1 : MAT
  %u = mul %t, %lr : MAT
  %w1 = sub %w, %u : MAT
  return @x = %w1, @y = %m2)",
       true},
  };
  return all;
}

}  // namespace nnc::bench
