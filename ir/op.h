// The op record: everything about an op, in one place.
//
// Printing, parsing, verifying, docs/ops.md, the language's calls, promotion, autodiff, simplification, folding, the
// reference interpreter, cost, code generation and the tests all read this record; a new op is one new record in one
// file of ir/ops/. A record that lacks a required part does not compile.
#pragma once

#include "ir/access.h"
#include "ir/attribute.h"
#include "ir/graph.h"
#include "ir/scalar.h"
#include "ir/type.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace nnc::ir {

class Builder;
struct Expr;
class GradCtx;
class Oracle;
class Samples;
class SimplifyCtx;
struct OpView;
struct StepsCtx;

/// A member that has to be written: it has no default constructor.
template <class T>
struct Required {
  T value;
  Required() = delete;
  template <class U>
  requires std::is_convertible_v<U&&, T> Required(U&& given) : value(std::forward<U>(given)) {}
  const T& operator*() const { return value; }
  const T* operator->() const { return &value; }
};

struct OperandDef {
  std::string_view name;
  /// For an index operand: the number of values it may take, i.e. the extent of the dimension it indexes.
  std::int64_t (*index_extent)(const OpView&) = nullptr;
};

/// The operands of a record; they have to be written, `Operands::none()` where there are none.
class Operands {
 public:
  Operands() = delete;
  Operands(std::initializer_list<OperandDef> operands) : value_(operands) {}
  static Operands none() { return Operands(std::vector<OperandDef>{}); }
  const std::vector<OperandDef>& operator*() const { return value_; }
  const std::vector<OperandDef>* operator->() const { return &value_; }

 private:
  explicit Operands(std::vector<OperandDef> operands) : value_(std::move(operands)) {}
  std::vector<OperandDef> value_;
};

/// An op before its results are known, and a view of one afterwards.
struct OpView {
  const OpDef* def = nullptr;
  std::vector<Type> operands;
  std::span<const Attr> attrs;
  std::span<const Block> regions;
  std::vector<Type> results;  // empty during inference

  const Attr& attr(std::string_view name) const;
  template <class T>
  const T& get(std::string_view name) const {
    return std::get<T>(attr(name));
  }
  std::int64_t integer(std::string_view name) const { return get<std::int64_t>(name); }
  bool flag(std::string_view name) const { return get<bool>(name); }
  const std::vector<std::int64_t>& integers(std::string_view name) const {
    return get<std::vector<std::int64_t>>(name);
  }
};
OpView view(const Block& block, const Op& op);

/// Result types, or what is wrong with the operands (a sentence without a final stop).
struct Inferred {
  std::vector<Type> types;
  std::string error;

  static Inferred fail(std::string message) { return {{}, std::move(message)}; }
};
using Infer = Inferred (*)(const OpView&);

// --- what an op computes, by family -------------------------------------------------------------------------------

/// Symbolic operands of a formula: x[i] is an element of operand i.
struct ScalarArgs {
  ScalarBuilder* builder;
  const OpView* op;
  std::vector<Scalar> inputs;

  Scalar operator[](std::size_t i) const { return inputs[i]; }
  Scalar coordinate(std::int64_t dimension) const { return builder->coordinate(static_cast<int>(dimension)); }
  /// Row-major position within the result, i64.
  Scalar position() const;
  DType result_dtype() const { return op->results[0].dtype; }
};

/// One scalar formula, applied at every element of the result; operands broadcast by NumPy's rule.
struct Elementwise {
  Required<Scalar (*)(const ScalarArgs&)> formula;
};

/// What a reduction of epoch sums means for a metric.
enum class Accumulation : std::uint8_t { none, sum, mean };

/// k accumulators and a combine. Accumulators have the type of the operand's element (f64 for floats in the reference
/// interpreter); the index of an element is its row-major position within the reduced dimensions, i64.
struct Reduction {
  struct Args {
    ScalarBuilder* builder;
    DType dtype;  // of the accumulators of elements
    Scalar constant(double value) const { return builder->constant(value, dtype); }
    Scalar index_constant(double value) const { return builder->constant(value, DType::i64); }
    Scalar lowest() const;   // -inf, or the type's lowest
    Scalar highest() const;  // +inf, or the type's highest
  };
  using Scalars = std::vector<Scalar>;
  Required<Scalars (*)(const Args&)> start;
  Required<Scalars (*)(const Args&, const Scalars& accumulators, Scalar x, Scalar index)> step;
  /// Of two parts without a common element, however they interleave.
  Required<Scalars (*)(const Args&, const Scalars& a, const Scalars& b)> merge;
  Required<Scalars (*)(const Args&, const Scalars& accumulators, Scalar count)> finish;  // a scalar for each result
  Accumulation accumulation = Accumulation::none;
};

/// Result elements are operand elements at an affine position: access i, over the result's dimensions, reads operand i.
/// Where several accesses are within their bounds they agree; where none is, the fill of the first one is taken.
/// An operand that another access names as its index gives positions and no elements.
struct Movement {
  Required<std::vector<Access> (*)(const OpView&)> access;
};

/// A sum of products, with its own accumulation type; and anything else that is computed as a whole.
struct EvalArgs {
  const OpView* op;
  std::span<const Tensor* const> operands;
};
using Evaluate = std::vector<Tensor> (*)(const EvalArgs&);
struct Contraction {
  Required<Evaluate> evaluate;
};
/// Computed as a whole, by a rule of its own: constant, random.
struct Whole {
  Required<Evaluate> evaluate;
};

/// Code on plain memory for what no loop nest says: the interpreter and programs run the same. The work falls into
/// parts, whose number follows from the types; they are independent and run in any order, on any thread. No part
/// allocates.
struct Routine {
  struct Args {
    const OpView* op;
    std::span<const void* const> operands;
    std::span<void* const> results;  // the first may lie over `over`, none over another operand
    void* scratch;

    template <class T>
    const T* operand(std::size_t i) const {
      return static_cast<const T*>(operands[i]);
    }
    template <class T>
    T* result(std::size_t i = 0) const {
      return static_cast<T*>(results[i]);
    }
  };
  Required<std::int64_t (*)(const OpView&)> parts;
  Required<void (*)(const Args&, std::int64_t begin, std::int64_t end)> run;
  /// What is wrong with the operands' values, which is the user's mistake, or nothing; asked first, by one thread.
  std::string (*fault)(const Args&) = nullptr;
  std::int64_t (*scratch_bytes)(const OpView&) = nullptr;  // none
  void (*prepare)(const Args&) = nullptr;                  // before the first part, by one thread
  /// The operand that the first result may lie over, and the bytes that are read and written then.
  struct Over {
    std::size_t operand;
    std::int64_t (*bytes)(const OpView&);
  };
  std::optional<Over> over = {};
};
/// The old value of a slot; the executor provides it.
struct SlotRead {};

using Family = std::variant<Elementwise, Reduction, Movement, Contraction, Routine, Whole, SlotRead>;

// --- gradients ------------------------------------------------------------------------------------------------------

/// A rule, or the word that there is none.
struct Gradient {
  enum class Kind : std::uint8_t {
    rule,
    zero,  // piecewise constant: the gradient is zero wherever it exists
    none,  // `reason` says why nothing flows through
  };
  Kind kind;
  void (*rule)(GradCtx&) = nullptr;
  std::string_view reason = {};

  Gradient() = delete;
  Gradient(void (*given)(GradCtx&)) : kind(Kind::rule), rule(given) {}
  template <class F>
  requires std::is_convertible_v<F, void (*)(GradCtx&)> Gradient(F given) : kind(Kind::rule), rule(given) {}
  Gradient(Kind k, std::string_view why) : kind(k), reason(why) {}
};
inline Gradient zero_gradient(std::string_view why) { return {Gradient::Kind::zero, why}; }
inline Gradient no_gradient(std::string_view why) { return {Gradient::Kind::none, why}; }

// --- the rest of a record -------------------------------------------------------------------------------------------

/// How the language converts operands before the call. Integers, u8, u16 and bool are i32 in arithmetic.
enum class Promotion : std::uint8_t {
  none,        // operands as they are
  arithmetic,  // all to their common type, u8, u16 and bool at least i32
  real,        // the same, then integers to f32
  logical,     // bool only
  branches,    // operand 0 is bool, the others go to their common type
  index,       // integers only, to i32
};

/// Which operands and results are images: [N, C, spatial..] or, where the attribute `channels_last` says so,
/// [N, spatial.., C].
struct Images {
  std::vector<int> operands, results;
};
inline constexpr std::string_view channels_last_attr = "channels_last";

/// How near two correct evaluations in one precision are.
enum class Precision : std::uint8_t {
  exact,        // the same bits
  rounded,      // one rounding of the exact value
  approximate,  // a few units in the last place
  accumulated,  // depends on the order of a sum
};

struct OpDef {
  Required<std::string_view> name;
  Required<std::string_view> doc;  // one sentence or two, for docs/ops.md
  Operands operands;
  bool variadic = false;  // the last operand stands for one or more
  std::vector<AttrDef> attrs = {};
  int region_count = 0;
  Required<Infer> infer;
  Required<Family> kernel;
  Required<Gradient> grad;
  Required<Precision> precision;
  /// The value of one result element in plain f64 C++, written independently of the kernel; for tests only.
  Required<double (*)(const Oracle&)> oracle;
  Required<void (*)(Samples&)> samples;
  /// Floating-point operations; null: by family (one an instruction and element; none for movement).
  std::int64_t (*flops)(const OpView&) = nullptr;

  // In the language.
  bool callable = true;                          // by its name, operands first, then attributes
  std::string_view symbol = {};                  // "+": infix with two operands, prefix with one
  std::vector<std::string_view> elsewhere = {};  // what other frameworks call it, for advice
  Promotion promotion = Promotion::none;

  // What passes may use.
  bool commutative = false;
  /// Operands whose elements the result takes unchanged (as values; a cast may widen them).
  std::vector<int> value_operands = {};
  /// How many values the elements of an integer result may take, from 0 on; 0: any. Null: of all results.
  std::int64_t (*result_count)(const OpView&, std::size_t result) = nullptr;
  /// The result is the sum of the operands with these signs.
  std::vector<int> sum_signs = {};
  /// Cheaper forms with the same meaning, each "pattern -> replacement": see rewrite_rules.h.
  std::vector<std::string_view> rewrites = {};
  /// Means something to autodiff alone: afterwards operand 0 stands for the result.
  bool only_for_gradient = false;
  /// Set for an op on images, which has the attribute `channels_last`.
  std::optional<Images> images = {};
  /// For rules that compute attributes: a value equal to the op's only result, taken where it is cheaper, or nothing.
  std::optional<ValueId> (*simplify)(SimplifyCtx&) = nullptr;
  /// The results made of ops that share kernels with others, or are cheaper there; nothing where that is not possible.
  std::vector<Expr> (*expand)(SimplifyCtx&) = nullptr;
  /// For an op in a loop: its results of all steps, stacked, as one op around the loop; and their sum. Nothing where
  /// that takes more than one op does, null where it always would.
  std::optional<Expr> (*all_steps)(const StepsCtx&) = nullptr;
  std::optional<Expr> (*sum_of_steps)(const StepsCtx&) = nullptr;

  template <class K>
  const K* as() const {
    return std::get_if<K>(&*kernel);
  }
  /// Whether a program runs the op as an instruction of its own, by name; others stand in kernels.
  bool is_instruction() const { return as<Contraction>() != nullptr || as<Routine>() != nullptr; }
  /// An op with regions may take further operands, which its regions see.
  bool takes(std::size_t operand_count) const {
    return region_count == 0 && !variadic ? operand_count == operands->size() : operand_count >= operands->size();
  }
};

/// The record of that name, or null.
const OpDef* find_op(std::string_view name);
/// The record with that symbol and number of operands, or null.
const OpDef* find_symbol(std::string_view symbol, std::size_t operand_count);
/// The path of the slot that the op reads, or null if it reads none.
const std::string* slot_of(const Op& op);
/// How the values of an attribute of that kind are described: in errors, and in docs/ops.md.
struct KindText {
  std::string_view expected, doc;
};
KindText kind_text(AttrKind kind);
/// All records, in the order of docs/ops.md.
const std::vector<const OpDef*>& all_ops();

/// Orders attributes as the record lists them, fills in those that are absent, converts integers given where reals are
/// asked, normalizes axes against operand 0. Errors (unknown, missing, of the wrong kind, axis out of range) come back
/// as text.
struct CompletedAttrs {
  std::vector<Attr> attrs;
  std::string error;
};
CompletedAttrs complete_attrs(const OpDef& def, std::vector<NamedAttr> given, std::span<const Type> operands);

/// The formula of an elementwise op; input i is operand i.
ScalarProgram scalar_program(const OpView& op);
/// Whether the formula of an elementwise op asks for coordinates.
bool uses_coordinates(const OpView& op);

/// The bytes of scratch that an instruction of a routine needs.
std::int64_t scratch_bytes(const Routine& routine, const OpView& op);

/// The parts of a reduction over elements of `dtype`. Inputs of `step`: the accumulators, the element, its index; of
/// `merge`: the accumulators of the first part, then of the second; of `finish`: the accumulators, the count (i64).
struct ReductionPrograms {
  std::vector<DType> accumulators;
  ScalarProgram start, step, merge, finish;

  /// Whether elements have numbers, as those of argmax: they are then not the same in another order.
  bool uses_index() const { return uses_input(step, static_cast<int>(accumulators.size()) + 1); }
  bool uses_count() const { return uses_input(finish, static_cast<int>(accumulators.size())); }
};
ReductionPrograms reduction_programs(const Reduction& reduction, DType dtype);

std::int64_t flops(const OpView& op);

}  // namespace nnc::ir
