// Functions and random numbers of emitted code: against f64, against ir/philox.h, and without calls.
#include "runtime/jit/vector_math.h"
#include "ir/philox.h"
#include "runtime/jit/lanes.h"
#include "runtime/jit/vector_random.h"

#include <llvm/ADT/SmallString.h>
#include <llvm/ExecutionEngine/Orc/LLJIT.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/IR/Verifier.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Host.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace nnc;
using llvm::Value;
using Builder = llvm::IRBuilder<>;

namespace {

/// Vectors that are loaded, and what comes of them.
using Body = std::function<std::vector<Value*>(Builder&, const std::vector<Value*>&)>;

struct Signature {
  int inputs = 1;
  int lanes = 16;
  bool of_i64 = false;  // the inputs, else f32
  bool tables = false;  // for a CPU that looks them up
};

/// void function(const T* in0, .., float* out): vectors of `lanes` elements, the outputs one behind the other.
std::unique_ptr<llvm::Module> emit(llvm::LLVMContext& context, const Signature& signature, const Body& body) {
  auto module = std::make_unique<llvm::Module>("lanes", context);
  runtime::jit::set_has_tables(*module, signature.tables);
  Builder b(context);
  const std::vector<llvm::Type*> pointers(static_cast<std::size_t>(signature.inputs) + 1, b.getPtrTy());
  auto* const function = llvm::Function::Create(llvm::FunctionType::get(b.getVoidTy(), pointers, false),
                                                llvm::Function::ExternalLinkage, "function", *module);
  function->addFnAttr("prefer-vector-width", "512");
  function->addFnAttr("min-legal-vector-width", "512");
  b.SetInsertPoint(llvm::BasicBlock::Create(context, "", function));
  const auto lanes = static_cast<unsigned>(signature.lanes);
  llvm::Type* const element = signature.of_i64 ? b.getInt64Ty() : b.getFloatTy();
  llvm::Type* const type = lanes == 1 ? element : llvm::FixedVectorType::get(element, lanes);
  std::vector<Value*> inputs;
  for (unsigned i = 0; i < static_cast<unsigned>(signature.inputs); ++i)
    inputs.push_back(b.CreateAlignedLoad(type, function->getArg(i), llvm::Align(4)));
  std::uint64_t at = 0;
  for (Value* const output : body(b, inputs)) {
    auto* const out = function->getArg(static_cast<unsigned>(signature.inputs));
    b.CreateAlignedStore(output, b.CreateConstGEP1_64(b.getFloatTy(), out, at), llvm::Align(4));
    at += lanes;
  }
  b.CreateRetVoid();
  REQUIRE_FALSE(llvm::verifyModule(*module, &llvm::errs()));
  return module;
}

void initialize_llvm() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
}

/// An emitted function, compiled for this CPU.
class Compiled {
 public:
  Compiled(const Signature& signature, const Body& body) : signature_(signature) {
    initialize_llvm();
    auto machine = llvm::cantFail(llvm::orc::JITTargetMachineBuilder::detectHost());
    jit_ = llvm::cantFail(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(machine).create());
    auto context = std::make_unique<llvm::LLVMContext>();
    auto module = emit(*context, signature, body);
    module->setDataLayout(jit_->getDataLayout());
    llvm::cantFail(jit_->addIRModule({std::move(module), std::move(context)}));
    address_ = llvm::cantFail(jit_->lookup("function")).toPtr<void*>();
  }

  template <class T>
  void once(const T* in, float* out) const {
    reinterpret_cast<void (*)(const T*, float*)>(address_)(in, out);
  }
  /// The function at every element.
  template <class T>
  std::vector<float> operator()(std::vector<T> x) const {
    const std::size_t count = x.size();
    x.resize((count / lanes() + 1) * lanes());
    std::vector<float> y(x.size());
    for (std::size_t i = 0; i < x.size(); i += lanes()) once(&x[i], &y[i]);
    y.resize(count);
    return y;
  }
  std::vector<float> operator()(std::vector<float> x, std::vector<float> y) const {
    const std::size_t count = x.size();
    x.resize((count / lanes() + 1) * lanes());
    y.resize(x.size());
    std::vector<float> z(x.size());
    for (std::size_t i = 0; i < x.size(); i += lanes())
      reinterpret_cast<void (*)(const float*, const float*, float*)>(address_)(&x[i], &y[i], &z[i]);
    z.resize(count);
    return z;
  }

 private:
  std::size_t lanes() const { return static_cast<std::size_t>(signature_.lanes); }

  Signature signature_;
  std::unique_ptr<llvm::orc::LLJIT> jit_;
  void* address_ = nullptr;
};

std::string assembly(const std::string& cpu, const Signature& signature, const Body& body) {
  initialize_llvm();
  llvm::LLVMContext context;
  const auto module = emit(context, signature, body);
  const std::string triple = "x86_64-unknown-linux-gnu";
  std::string error;
  const llvm::Target* const target = llvm::TargetRegistry::lookupTarget(triple, error);
  REQUIRE(target != nullptr);
  const std::unique_ptr<llvm::TargetMachine> machine(
      target->createTargetMachine(triple, cpu, "", {}, llvm::Reloc::PIC_));
  module->setDataLayout(machine->createDataLayout());
  module->setTargetTriple(triple);
  llvm::SmallString<0> text;
  llvm::raw_svector_ostream stream(text);
  llvm::legacy::PassManager passes;
  REQUIRE_FALSE(machine->addPassesToEmitFile(passes, stream, nullptr, llvm::CodeGenFileType::AssemblyFile));
  passes.run(*module);
  return text.str().str();
}

struct Function {
  const char* name;
  Value* (*emit)(Builder&, Value*);
  double (*exact)(double);
  double ulp;           // allowed
  double ulp_by_table;  // the same with tables
};

const Function functions[] = {
    {"exp", runtime::jit::emit_exp, std::exp, 4, 2},      {"log", runtime::jit::emit_log, std::log, 4, 1.5},
    {"sin", runtime::jit::emit_sin, std::sin, 4, 4},      {"cos", runtime::jit::emit_cos, std::cos, 4, 4},
    {"tanh", runtime::jit::emit_tanh, std::tanh, 4, 1.5}, {"erf", runtime::jit::emit_erf, std::erf, 4, 2.5},
};

/// Without tables, and with them where this CPU has the instructions.
const std::vector<bool>& with_tables() {
  const auto has = [](const char* feature) { return llvm::sys::getHostCPUFeatures().lookup(feature); };
  static const std::vector<bool> both =
      std::ranges::all_of(runtime::jit::table_features, has) ? std::vector{false, true} : std::vector{false};
  return both;
}

Compiled compile(const Function& function, int lanes, bool tables) {
  return {{.lanes = lanes, .tables = tables},
          [&](Builder& b, const std::vector<Value*>& in) { return std::vector{function.emit(b, in[0])}; }};
}

Compiled compile_pow(int lanes) {
  return {{.inputs = 2, .lanes = lanes}, [](Builder& b, const std::vector<Value*>& in) {
            return std::vector{runtime::jit::emit_pow(b, in[0], in[1])};
          }};
}

/// The distance in units of the last place of the exact value; infinite where one is NaN, or where the exact value is
/// infinite and the other is not, or where both are 0 and differ in sign. An f32 infinity stands for 2^128.
double ulp_error(float found, double exact) {
  static constexpr double beyond = 0x1p128;
  if (std::isnan(found) || std::isnan(exact)) return std::isnan(found) && std::isnan(exact) ? 0 : INFINITY;
  if (std::isinf(exact)) return found == exact ? 0 : INFINITY;
  if (exact == 0 && found == 0) return std::signbit(exact) == std::signbit(found) ? 0 : INFINITY;
  const auto clamp = [](double x) { return std::clamp(x, -beyond, beyond); };
  const double magnitude = std::min(std::abs(exact), 0x1.fffffep127);
  const int exponent = magnitude < 0x1p-126 ? -126 : std::ilogb(magnitude);
  return std::abs(clamp(found) - clamp(exact)) / std::ldexp(1.0, exponent - 23);
}

const std::vector<float>& special_values() {
  static const std::vector<float> values = [] {
    const float inf = INFINITY, nan = NAN;
    std::vector<float> v = {0,
                            inf,
                            nan,
                            1,
                            2,
                            3,
                            4,
                            0.5F,
                            1.5F,
                            2.5F,
                            0x1p-149F,
                            0x1p-126F,
                            0x1.fffffcp-127F,
                            0x1.fffffep127F,
                            0x1.fffffep-1F,
                            0x1.000002p0F,
                            16777215,
                            16777216,
                            8388607.5F,
                            88.5F,
                            88.72284F,
                            103.97F,
                            0x1p-24F,
                            1e30F};
    for (std::size_t i = v.size(); i-- > 0;) v.push_back(-v[i]);
    return v;
  }();
  return values;
}

/// Every exponent with both signs: the first and last mantissas, and random ones.
std::vector<float> all_exponents(int mantissas, std::mt19937_64& random) {
  std::vector<float> x = special_values();
  for (std::uint32_t exponent = 0; exponent < 512; ++exponent)
    for (int i = -4; i < mantissas; ++i) {
      const auto mantissa = static_cast<std::uint32_t>(i < -2 ? i + 4 : i < 0 ? 0x7FFFFF + i + 1 : random() & 0x7FFFFF);
      x.push_back(std::bit_cast<float>(exponent << 23 | mantissa));
    }
  return x;
}

double largest_error(const Function& function, const std::vector<float>& x, const std::vector<float>& y) {
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double error = ulp_error(y[i], function.exact(x[i]));
    if (error > function.ulp) {
      UNSCOPED_INFO(function.name << " of " << x[i] << " gives " << y[i] << ", " << error << " ulp off");
      return error;
    }
    largest = std::max(largest, error);
  }
  return largest;
}

}  // namespace

TEST_CASE("emitted functions are near f64 at every exponent") {
  std::mt19937_64 random(1);
  const std::vector<float> x = all_exponents(300, random);
  for (const bool tables : with_tables())
    for (Function function : functions) {
      if (tables) function.ulp = function.ulp_by_table;
      CHECK(largest_error(function, x, compile(function, 16, tables)(x)) <= function.ulp);
    }
}

TEST_CASE("emitted functions are the same at any number of lanes") {
  std::mt19937_64 random(2);
  const std::vector<float> x = all_exponents(8, random);
  const auto same = [](const std::vector<float>& a, const std::vector<float>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float p, float q) {
      return (std::isnan(p) && std::isnan(q)) || std::bit_cast<std::uint32_t>(p) == std::bit_cast<std::uint32_t>(q);
    });
  };
  std::vector<float> exponents = x;
  std::shuffle(exponents.begin(), exponents.end(), random);
  for (const int lanes : {1, 3, 4, 8, 20, 32}) {
    for (const bool tables : with_tables())
      for (const Function& function : functions) {
        INFO(function.name << " in " << lanes << " lanes" << (tables ? ", with tables" : ""));
        CHECK(same(compile(function, lanes, tables)(x), compile(function, 16, tables)(x)));
      }
    CHECK(same(compile_pow(lanes)(x, exponents), compile_pow(16)(x, exponents)));
  }
}

TEST_CASE("emitted sigmoids stay within -1 and 1 and reach them") {
  std::vector<float> x;
  for (float at = 0; at < 12; at += 1e-4F) x.insert(x.end(), {at, -at});
  x.insert(x.end(), {100, -100, 3e38F, -3e38F, INFINITY, -INFINITY});
  for (const bool tables : with_tables())
    for (const Function& function : functions) {
      if (function.exact(INFINITY) != 1) continue;
      const std::vector<float> y = compile(function, 16, tables)(x);
      CHECK(std::all_of(y.begin(), y.end(), [](float v) { return v >= -1 && v <= 1; }));
      for (std::size_t i = 0; i < x.size(); ++i)
        if (std::abs(x[i]) > 10) REQUIRE(y[i] == std::copysign(1.0F, x[i]));
    }
}

TEST_CASE("emitted functions are exact at special values") {
  const float inf = INFINITY, nan = NAN;
  for (const bool tables : with_tables()) {
    const auto of = [&](std::size_t i, const std::vector<float>& x) { return compile(functions[i], 4, tables)(x); };
    CHECK(of(0, {0, -0.0F, inf, -inf}) == std::vector<float>{1, 1, inf, 0});
    CHECK(of(1, {0, -0.0F, inf, 1}) == std::vector<float>{-inf, -inf, inf, 0});
    CHECK(of(2, {0, -0.0F}) == std::vector<float>{0, 0});
    CHECK(of(3, {0, -0.0F}) == std::vector<float>{1, 1});
    CHECK(of(4, {0, inf, -inf}) == std::vector<float>{0, 1, -1});
    CHECK(of(5, {0, inf, -inf}) == std::vector<float>{0, 1, -1});
    for (std::size_t i = 0; i < std::size(functions); ++i) CHECK(std::isnan(of(i, {nan})[0]));
    CHECK(std::isnan(of(1, {-1})[0]));
    CHECK(std::isnan(of(2, {inf})[0]));
    CHECK(std::isnan(of(3, {-inf})[0]));
  }
}

TEST_CASE("emitted powers are near f64, with C's special cases") {
  std::mt19937_64 random(3);
  std::vector<float> x, y;
  for (const float a : special_values())
    for (const float b : special_values()) {
      x.push_back(a);
      y.push_back(b);
    }
  const auto mantissa = [&] { return static_cast<float>(1 + static_cast<double>(random() & 0x7FFFFF) * 0x1p-23); };
  const auto add = [&](float a, float b) {
    x.push_back(a);
    y.push_back(b);
  };
  for (int exponent = -149; exponent < 128; ++exponent)
    for (int i = 0; i < 200; ++i) {
      const float base = std::ldexp(mantissa(), exponent);
      // Results of every size, through exponents of every size.
      const double log = std::log2(static_cast<double>(base));
      add(base, static_cast<float>((static_cast<double>(random() % 300000) / 1000 - 150) / log));
      add(-base, static_cast<float>(static_cast<int>(random() % 21) - 10));
      add(base, std::ldexp(mantissa(), static_cast<int>(random() % 40) - 20));
      add(mantissa(), std::ldexp(mantissa(), exponent % 30));
      // Near 1, and with exponents that make much of it.
      add(1 + static_cast<float>(static_cast<int>(random() % 2001) - 1000) * 0x1p-23F,
          static_cast<float>(random() % 100000000));
    }
  const std::vector<float> z = compile_pow(16)(x, y);
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::pow(static_cast<double>(x[i]), static_cast<double>(y[i]));
    const double error = ulp_error(z[i], exact);
    INFO(x[i] << " to the power of " << y[i] << " gives " << z[i] << ", not " << exact << ": " << error << " ulp");
    if (error > 4) REQUIRE(false);
    if (!std::isnan(exact) && std::signbit(z[i]) != std::signbit(exact)) REQUIRE(false);
    largest = std::max(largest, error);
  }
  CHECK(largest <= 4);
}

TEST_CASE("emitted functions make no call") {
  for (const char* const cpu : {"x86-64-v3", "x86-64-v4", "znver4"})
    for (const int lanes : {1, 8, 16}) {
      for (const Function& function : functions) {
        INFO(function.name << " for " << cpu);
        const bool tables = std::string(cpu) != "x86-64-v3";
        const std::string text =
            assembly(cpu, {.lanes = lanes, .tables = tables},
                     [&](Builder& b, const std::vector<Value*>& in) { return std::vector{function.emit(b, in[0])}; });
        CHECK(text.find("call") == std::string::npos);
        CHECK(text.find("vfmadd") != std::string::npos);
        if (lanes == 16) CHECK((text.find("zmm") != std::string::npos) == tables);
      }
      const std::string text =
          assembly(cpu, {.inputs = 2, .lanes = lanes}, [](Builder& b, const std::vector<Value*>& in) {
            return std::vector{runtime::jit::emit_pow(b, in[0], in[1])};
          });
      CHECK(text.find("call") == std::string::npos);
    }
}

TEST_CASE("emitted random numbers have the bits of philox") {
  constexpr std::int64_t key = 0x123456789ABCDEF0, step = 0x7000000180000003;
  constexpr std::uint64_t stream = ir::stream_hash("fc1.dropout");
  const auto same = [&](const std::vector<std::int64_t>& positions, const std::vector<float>& found) {
    for (std::size_t i = 0; i < positions.size(); ++i)
      if (found[i] != ir::random_element(key, step, stream, positions[i])) return false;
    return true;
  };
  std::vector<std::int64_t> positions;
  for (std::int64_t i = 0; i < 512; ++i) positions.push_back(i);
  for (std::int64_t i = 0; i < 512; ++i) positions.push_back((i * 2654435761) % (std::int64_t{1} << 34));
  for (const int lanes : {1, 4, 8, 16}) {
    const Compiled at({.lanes = lanes, .of_i64 = true}, [&](Builder& b, const std::vector<Value*>& in) {
      return std::vector{runtime::jit::emit_random(b, b.getInt64(key), b.getInt64(step), b.getInt64(stream), in[0])};
    });
    CHECK(same(positions, at(positions)));
  }
  // Key and step that are not known while compiling.
  const Compiled loaded({.inputs = 1, .lanes = 2, .of_i64 = true}, [&](Builder& b, const std::vector<Value*>& in) {
    Value* const pair = in[0];
    return std::vector<Value*>{runtime::jit::emit_random(
        b, b.CreateExtractElement(pair, std::uint64_t{0}), b.CreateExtractElement(pair, std::uint64_t{1}),
        b.getInt64(stream), llvm::ConstantDataVector::get(b.getContext(), std::array<std::uint64_t, 2>{5, 77}))};
  });
  CHECK(same({5, 77}, loaded(std::vector<std::int64_t>{key, step})));
}

TEST_CASE("blocks of emitted random numbers are those of their positions") {
  constexpr std::int64_t key = -5, step = 41;
  constexpr std::uint64_t stream = ir::stream_hash("model.fc1");
  for (const int lanes : {2, 4, 8, 16})
    for (const std::int64_t block : {std::int64_t{0}, std::int64_t{3}, std::int64_t{1} << 27}) {
      // All of a block of 64: the words of each group of lanes, group by group.
      for (std::int64_t first = 0; first < 16; first += lanes) {
        const Compiled words({.lanes = lanes, .of_i64 = true}, [&](Builder& b, const std::vector<Value*>& in) {
          Value* const from_memory = b.CreateExtractElement(in[0], std::uint64_t{0});
          const auto made =
              runtime::jit::emit_random_block(b, b.getInt64(key), b.getInt64(step), b.getInt64(stream), from_memory,
                                              b.getInt64(static_cast<std::uint64_t>(first)), lanes);
          return std::vector<Value*>(made.words.begin(), made.words.end());
        });
        std::vector<std::int64_t> in(static_cast<std::size_t>(lanes), block);
        std::vector<float> out(static_cast<std::size_t>(4 * lanes));
        words.once(in.data(), out.data());
        for (std::int64_t i = 0; i < 4 * lanes; ++i) {
          const std::int64_t position = block * 64 + i / lanes * 16 + first + i % lanes;
          REQUIRE(out[static_cast<std::size_t>(i)] == ir::random_element(key, step, stream, position));
        }
      }
    }
}
