#include "ir/scalar_evaluate.h"

#include "ir/convert.h"
#include "ir/philox.h"
#include "ir/tensor.h"

#include <cmath>
#include <limits>
#include <type_traits>

namespace nnc::ir {

namespace {

/// Two's complement with wrap-around for integers, IEEE for floats.
template <class T, class F>
T wrapping(T a, T b, F f) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<std::common_type_t<T, int>>;
    return static_cast<T>(f(static_cast<U>(a), static_cast<U>(b)));
  } else {
    return f(a, b);
  }
}

/// x, or the zero that a denormal is: the C library looks at its bits, whatever the mode of the arithmetic is.
template <class T>
T flushed(T x) {
  return std::fabs(x) < std::numeric_limits<T>::min() ? std::copysign(T(0), x) : x;
}

template <class T>
T power(T a, T b) {
  return flushed(static_cast<T>(std::pow(flushed(a), flushed(b))));
}

template <class T, class F>
void each(std::int64_t count, T* to, F f) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = f(i);
}

template <class T>
void arithmetic(const ScalarInstr& instr, std::int64_t n, T* to, const T* a, const T* b) {
  const auto real = [&](auto f) {
    if constexpr (std::is_floating_point_v<T>)
      each(n, to, [&](std::int64_t i) { return f(a[i]); });
    else
      internal_error(__FILE__, __LINE__, "a formula takes a function of floats of an integer");
  };
  const auto library = [&](auto f) { return real([&](T x) { return flushed(f(flushed(x))); }); };
  switch (instr.op) {
    case ScalarOp::add:
      return each(n, to, [&](auto i) { return wrapping(a[i], b[i], [](auto x, auto y) { return x + y; }); });
    case ScalarOp::sub:
      return each(n, to, [&](auto i) { return wrapping(a[i], b[i], [](auto x, auto y) { return x - y; }); });
    case ScalarOp::mul:
      return each(n, to, [&](auto i) { return wrapping(a[i], b[i], [](auto x, auto y) { return x * y; }); });
    case ScalarOp::max: return each(n, to, [&](auto i) { return a[i] > b[i] || a[i] != a[i] ? a[i] : b[i]; });
    case ScalarOp::min: return each(n, to, [&](auto i) { return a[i] < b[i] || a[i] != a[i] ? a[i] : b[i]; });
    case ScalarOp::neg:
      if constexpr (std::is_floating_point_v<T>)
        return each(n, to, [&](auto i) { return -a[i]; });
      else
        return each(n, to, [&](auto i) { return wrapping(T(0), a[i], [](auto x, auto y) { return x - y; }); });
    case ScalarOp::abs:
      if constexpr (std::is_floating_point_v<T>)
        return each(n, to, [&](auto i) { return std::fabs(a[i]); });
      else
        return each(n, to, [&](auto i) {
          return a[i] < T(0) ? wrapping(T(0), a[i], [](auto x, auto y) { return x - y; }) : a[i];
        });
    case ScalarOp::div:
      if constexpr (std::is_floating_point_v<T>) return each(n, to, [&](auto i) { return a[i] / b[i]; });
      break;
    case ScalarOp::pow:
      if constexpr (std::is_floating_point_v<T>) return each(n, to, [&](auto i) { return power(a[i], b[i]); });
      break;
    case ScalarOp::floor: return real([](T x) { return std::floor(x); });
    case ScalarOp::ceil: return real([](T x) { return std::ceil(x); });
    case ScalarOp::round: return real([](T x) { return std::nearbyint(x); });
    case ScalarOp::sqrt: return real([](T x) { return std::sqrt(x); });
    case ScalarOp::exp: return library([](T x) { return std::exp(x); });
    case ScalarOp::log: return library([](T x) { return std::log(x); });
    case ScalarOp::sin: return library([](T x) { return std::sin(x); });
    case ScalarOp::cos: return library([](T x) { return std::cos(x); });
    case ScalarOp::tanh: return library([](T x) { return std::tanh(x); });
    case ScalarOp::erf: return library([](T x) { return std::erf(x); });
    default: break;
  }
  internal_error(__FILE__, __LINE__, "a formula divides integers or is malformed");
}

template <class T>
void compare(ScalarOp op, std::int64_t n, std::uint8_t* to, const T* a, const T* b) {
  switch (op) {
    case ScalarOp::eq: return each(n, to, [&](auto i) { return a[i] == b[i]; });
    case ScalarOp::ne: return each(n, to, [&](auto i) { return a[i] != b[i]; });
    case ScalarOp::lt: return each(n, to, [&](auto i) { return a[i] < b[i]; });
    case ScalarOp::le: return each(n, to, [&](auto i) { return a[i] <= b[i]; });
    case ScalarOp::gt: return each(n, to, [&](auto i) { return a[i] > b[i]; });
    case ScalarOp::ge: return each(n, to, [&](auto i) { return a[i] >= b[i]; });
    default: internal_error(__FILE__, __LINE__, "not a comparison");
  }
}

}  // namespace

ScalarEvaluator::ScalarEvaluator(const ScalarProgram& program)
    : program_(&program), storage_(program.instrs.size() * chunk * sizeof(double)) {
  for (std::size_t id = 0; id < program.instrs.size(); ++id) {
    const ScalarInstr& instr = program.instrs[id];
    if (instr.op != ScalarOp::constant) continue;
    visit_dtype(instr.dtype, [&]<class T>() {
      T* to = reinterpret_cast<T*>(registers(static_cast<int>(id)));
      for (std::int64_t i = 0; i < chunk; ++i) to[i] = convert_number<T>(instr.value);
    });
  }
}

std::byte* ScalarEvaluator::input(int operand) {
  for (std::size_t id = 0; id < program_->instrs.size(); ++id)
    if (program_->instrs[id].op == ScalarOp::input && program_->instrs[id].index == operand)
      return registers(static_cast<int>(id));
  return nullptr;
}

std::int64_t* ScalarEvaluator::coordinate(int dimension) {
  for (std::size_t id = 0; id < program_->instrs.size(); ++id)
    if (program_->instrs[id].op == ScalarOp::coordinate && program_->instrs[id].index == dimension)
      return reinterpret_cast<std::int64_t*>(registers(static_cast<int>(id)));
  return nullptr;
}

void ScalarEvaluator::run(std::int64_t n) {
  for (std::size_t id = 0; id < program_->instrs.size(); ++id) {
    const ScalarInstr& instr = program_->instrs[id];
    if (instr.op == ScalarOp::input || instr.op == ScalarOp::coordinate || instr.op == ScalarOp::constant) continue;
    std::byte* to = registers(static_cast<int>(id));
    const std::byte* a = registers(instr.a);
    const std::byte* b = instr.b < 0 ? nullptr : registers(instr.b);
    const DType from = program_->instrs[static_cast<std::size_t>(instr.a)].dtype;
    const auto flags = [](const std::byte* x) { return reinterpret_cast<const std::uint8_t*>(x); };
    auto* truth = reinterpret_cast<std::uint8_t*>(to);
    switch (instr.op) {
      case ScalarOp::logical_and: each(n, truth, [&](auto i) { return flags(a)[i] && flags(b)[i]; }); break;
      case ScalarOp::logical_or: each(n, truth, [&](auto i) { return flags(a)[i] || flags(b)[i]; }); break;
      case ScalarOp::logical_not: each(n, truth, [&](auto i) { return !flags(a)[i]; }); break;
      case ScalarOp::eq:
      case ScalarOp::ne:
      case ScalarOp::lt:
      case ScalarOp::le:
      case ScalarOp::gt:
      case ScalarOp::ge:
        visit_dtype(from, [&]<class T>() {
          compare(instr.op, n, truth, reinterpret_cast<const T*>(a), reinterpret_cast<const T*>(b));
        });
        break;
      case ScalarOp::select:
        visit_dtype(instr.dtype, [&]<class T>() {
          const T* x = reinterpret_cast<const T*>(b);
          const T* y = reinterpret_cast<const T*>(registers(instr.c));
          each(n, reinterpret_cast<T*>(to), [&](auto i) { return flags(a)[i] ? x[i] : y[i]; });
        });
        break;
      case ScalarOp::random: {
        const auto integers = [](const std::byte* x) { return reinterpret_cast<const std::int64_t*>(x); };
        const std::int64_t* positions = integers(registers(instr.c));
        each(n, reinterpret_cast<float*>(to),
             [&](auto i) { return random_element(integers(a)[i], integers(b)[i], instr.stream, positions[i]); });
        break;
      }
      case ScalarOp::cast:
        visit_dtype(from, [&]<class From>() {
          const From* x = reinterpret_cast<const From*>(a);
          if (instr.dtype == DType::boolean) return each(n, truth, [&](auto i) { return x[i] != From(0); });
          visit_dtype(instr.dtype, [&]<class To>() {
            each(n, reinterpret_cast<To*>(to), [&](auto i) { return convert_number<To>(x[i]); });
          });
        });
        break;
      default:
        visit_dtype(instr.dtype, [&]<class T>() {
          arithmetic(instr, n, reinterpret_cast<T*>(to), reinterpret_cast<const T*>(a), reinterpret_cast<const T*>(b));
        });
    }
  }
}

const std::byte* ScalarEvaluator::result(std::size_t i) const { return registers(program_->results[i]); }

DType ScalarEvaluator::result_dtype(std::size_t i) const {
  return program_->instrs[static_cast<std::size_t>(program_->results[i])].dtype;
}

}  // namespace nnc::ir
