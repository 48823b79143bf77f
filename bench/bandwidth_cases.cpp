#include "bench/bandwidth_cases.h"

// Words of capitals are types and extents that depend on the size of the matrices (words_of in kernel_bandwidth.cpp).

namespace nnc::bench {
namespace {

/// Of x and gamma.
const std::string layer_norm = R"(
  %m, %v = moments %x {axis = [1], keepdim = true} : COL, COL
  %d = sub %x, %m : MAT
  %eps = constant 1e-05 : f32[]
  %v1 = add %v, %eps : COL
  %r = rsqrt %v1 : COL
  %n = mul %d, %r : MAT
  %g = mul %n, %gamma : MAT)";
/// Of x normalized, n, and dy.
const std::string layer_norm_gradients = R"(
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
  return @y = %y, @gamma = %dgamma, @bias = %dbeta)";
/// Of the four parts of x and the cells.
const std::string lstm_gates = R"(
  %i0 = slice %x {start = [0, 0], stop = [ROWS, QUARTER]} : GATE
  %f0 = slice %x {start = [0, QUARTER], stop = [ROWS, HALF]} : GATE
  %g0 = slice %x {start = [0, HALF], stop = [ROWS, REST]} : GATE
  %o0 = slice %x {start = [0, REST], stop = [ROWS, COLUMNS]} : GATE
  %f = sigmoid %f0 : GATE
  %i = sigmoid %i0 : GATE
  %g = tanh %g0 : GATE
  %o = sigmoid %o0 : GATE
  %fc = mul %f, %c : GATE
  %ig = mul %i, %g : GATE
  %c1 = add %fc, %ig : GATE
  %t = tanh %c1 : GATE)";

}  // namespace

const std::vector<Case>& cases() {
  using enum Memory;
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
)" + layer_norm + R"(
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
)" + layer_norm_gradients},
      {"layer_norm, loss, gradients", R"(
  %x = slot @x : MAT
  %target = slot @b : MAT
  %gamma = slot @gamma : ROW
  %beta = slot @bias : ROW
)" + layer_norm + R"(
  %h = add %g, %beta : MAT
  %dy = sub %h, %target : MAT
)" + layer_norm_gradients},
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
      {"cross-entropy, gradient", R"(
  %x = slot @x : MAT
  %label = slot @label : u16[ROWS,1]
  %total = slot @total : f32[]
  %m = max %x {axis = [1], keepdim = true} : COL
  %d = sub %x, %m : MAT
  %e = exp %d : MAT
  %s = sum %e {axis = [1], keepdim = true} : COL
  %l = log %s : COL
  %lp = sub %d, %l : MAT
  %index = cast %label : i32[ROWS,1]
  %hit = equals_index %index {size = COLUMNS} : BOOL
  %zero = constant 0.0 : f32[]
  %one = constant 1.0 : f32[]
  %own = where %hit, %lp, %zero : MAT
  %rows = sum %own {axis = [1], keepdim = true} : COL
  %loss = sum %rows : f32[]
  %h = where %hit, %one, %zero : MAT
  %p = div %e, %s : MAT
  %dx = sub %p, %h : MAT
  return @y = %dx, @total = %loss)"},
      {"dropout", R"(
  %x = slot @x : MAT
  %key = slot @key : i64[]
  %step = slot @step : i64[]
  %u = random %key, %step {stream = "1"} : MAT
  %kept = constant 0.9 : f32[]
  %keeps = lt %u, %kept : BOOL
  %scale = constant 1.1111112 : f32[]
  %s = mul %x, %scale : MAT
  %zero = constant 0.0 : f32[]
  %y = where %keeps, %s, %zero : MAT
  return @y = %y)"},
      {"batch_norm + relu", R"(
  %x0 = slot @x : MAT
  %gamma = slot @channel_scale : f32[64]
  %beta = slot @channel_bias : f32[64]
  %x = reshape %x0 : f32[PIXELS,64]
  %m, %v = moments %x {axis = [0], keepdim = true} : f32[1,64], f32[1,64]
  %d = sub %x, %m : f32[PIXELS,64]
  %eps = constant 1e-05 : f32[]
  %v1 = add %v, %eps : f32[1,64]
  %r = rsqrt %v1 : f32[1,64]
  %n = mul %d, %r : f32[PIXELS,64]
  %g = mul %n, %gamma : f32[PIXELS,64]
  %h = add %g, %beta : f32[PIXELS,64]
  %zero = constant 0.0 : f32[]
  %low = le %h, %zero : bool[PIXELS,64]
  %y0 = where %low, %zero, %h : f32[PIXELS,64]
  %y = reshape %y0 : MAT
  return @y = %y)"},
      {"batch_norm, gradients", R"(
  %x0 = slot @x : MAT
  %dy0 = slot @b : MAT
  %gamma = slot @channel_scale : f32[64]
  %m = slot @channel_mean : f32[64]
  %r = slot @channel_rstd : f32[64]
  %x = reshape %x0 : f32[PIXELS,64]
  %dy = reshape %dy0 : f32[PIXELS,64]
  %d = sub %x, %m : f32[PIXELS,64]
  %n = mul %d, %r : f32[PIXELS,64]
  %dg = mul %dy, %n : f32[PIXELS,64]
  %dgamma = sum %dg {axis = [0], keepdim = false} : f32[64]
  %dbeta = sum %dy {axis = [0], keepdim = false} : f32[64]
  %count = constant PIXELS.0 : f32[]
  %a = div %dbeta, %count : f32[64]
  %b = div %dgamma, %count : f32[64]
  %t = sub %dy, %a : f32[PIXELS,64]
  %nb = mul %n, %b : f32[PIXELS,64]
  %u = sub %t, %nb : f32[PIXELS,64]
  %f = mul %gamma, %r : f32[64]
  %dx0 = mul %u, %f : f32[PIXELS,64]
  %dx = reshape %dx0 : MAT
  return @y = %dx, @channel_scale = %dgamma, @channel_bias = %dbeta)"},
      {"mean over positions", R"(
  %x0 = slot @x : MAT
  %x = reshape %x0 : f32[BATCH,HALVES,16,64]
  %m = mean %x {axis = [1, 2], keepdim = false} : f32[BATCH,64]
  return @pooled = %m)",
       reads},
      {"lstm gates", R"(
  %x = slot @x : MAT
  %c = slot @cells : GATE
)" + lstm_gates + R"(
  %h = mul %o, %t : GATE
  return @cells = %c1, @hidden = %h)"},
      {"lstm gates, gradients", R"(
  %x = slot @x : MAT
  %c = slot @cells : GATE
  %dh = slot @hidden : GATE
)" + lstm_gates + R"(
  %one = constant 1.0 : f32[]
  %t2 = mul %t, %t : GATE
  %t3 = sub %one, %t2 : GATE
  %dho = mul %dh, %o : GATE
  %dc1 = mul %dho, %t3 : GATE
  %dc = mul %dc1, %f : GATE
  %o1 = sub %one, %o : GATE
  %oo = mul %o, %o1 : GATE
  %dht = mul %dh, %t : GATE
  %do = mul %dht, %oo : GATE
  %f1 = sub %one, %f : GATE
  %ff = mul %f, %f1 : GATE
  %dcc = mul %dc1, %c : GATE
  %df = mul %dcc, %ff : GATE
  %i1 = sub %one, %i : GATE
  %ii = mul %i, %i1 : GATE
  %dcg = mul %dc1, %g : GATE
  %di = mul %dcg, %ii : GATE
  %g2 = mul %g, %g : GATE
  %g1 = sub %one, %g2 : GATE
  %dci = mul %dc1, %i : GATE
  %dg = mul %dci, %g1 : GATE
  %dx = concat %di, %df, %dg, %do {axis = 1} : MAT
  return @y = %dx, @cells = %dc)"},
      {"gated linear unit", R"(
  %x = slot @x : MAT
  %i0 = slice %x {start = [0, 0], stop = [ROWS, HALF]} : f32[ROWS,HALF]
  %f0 = slice %x {start = [0, HALF], stop = [ROWS, COLUMNS]} : f32[ROWS,HALF]
  %f = sigmoid %f0 : f32[ROWS,HALF]
  %t = mul %i0, %f : f32[ROWS,HALF]
  return @half = %t)"},
      {"rows by index", R"(
  %x = slot @x : MAT
  %index = slot @index : i32[ROWS,1]
  %y = gather %x, %index : MAT
  return @y = %y)"},
      {"rows by index, gradient", R"(
  %dy = slot @x : MAT
  %index = slot @index : i32[ROWS,1]
  %dx = scatter_add %dy, %index {size = ROWS} : MAT
  return @y = %dx)"},
      {"pixels to numbers", R"(
  %pixels = slot @pixels : u8[ROWS,COLUMNS]
  %bias = slot @bias : ROW
  %scale = slot @gamma : ROW
  %f = cast %pixels : MAT
  %d = sub %f, %bias : MAT
  %y = mul %d, %scale : MAT
  return @y = %y)"},
      {"sum of squares", R"(
  %x = slot @x : MAT
  %s = mul %x, %x : MAT
  %total = sum %s : f32[]
  return @total = %total)",
       reads},
      {"causal softmax", R"(
  %x0 = slot @x : MAT
  %x = reshape %x0 : f32[SQUARES,COLUMNS,COLUMNS]
  %u = iota {size = COLUMNS} : i32[COLUMNS]
  %t = reshape %u : i32[COLUMNS,1]
  %seen = le %u, %t : bool[COLUMNS,COLUMNS]
  %never = constant -1e+30 : f32[]
  %s = where %seen, %x, %never : f32[SQUARES,COLUMNS,COLUMNS]
  %m = max %s {axis = [2], keepdim = true} : f32[SQUARES,COLUMNS,1]
  %d = sub %s, %m : f32[SQUARES,COLUMNS,COLUMNS]
  %e = exp %d : f32[SQUARES,COLUMNS,COLUMNS]
  %sum = sum %e {axis = [2], keepdim = true} : f32[SQUARES,COLUMNS,1]
  %one = constant 1.0 : f32[]
  %r = div %one, %sum : f32[SQUARES,COLUMNS,1]
  %p = mul %e, %r : f32[SQUARES,COLUMNS,COLUMNS]
  %y = reshape %p : MAT
  return @y = %y)",
       copies, true},
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
       updates},
      {"transpose", R"(
  %x = slot @x : MAT
  %y = permute %x {order = [1, 0]} : f32[COLUMNS,ROWS]
  return @t = %y)"},
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
       updates},
  };
  return all;
}

}  // namespace nnc::bench
