#include "runtime/jit/scalar_emitter.h"

#include "ir/check.h"
#include "ir/convert.h"
#include "ir/tensor.h"
#include "runtime/jit/vector_math.h"
#include "runtime/jit/vector_random.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/DerivedTypes.h>
#include <llvm/IR/Intrinsics.h>

#include <algorithm>

namespace nnc::runtime::jit {

using ir::DType;
using ir::ScalarInstr;
using ir::ScalarOp;
using llvm::Intrinsic::ID;

namespace {

bool is_signed(DType dtype) { return dtype == DType::i32 || dtype == DType::i64; }

llvm::Type* with_lanes(llvm::Type* element, int lanes) {
  return lanes == 1 ? element : llvm::FixedVectorType::get(element, static_cast<unsigned>(lanes));
}

llvm::Value* emit_compare(llvm::IRBuilder<>& b, ScalarOp op, DType dtype, llvm::Value* x, llvm::Value* y) {
  using Predicate = llvm::CmpInst::Predicate;
  const bool real = ir::is_float(dtype), with_sign = is_signed(dtype);
  const auto choose = [&](Predicate ordered, Predicate sign, Predicate plain) {
    return b.CreateCmp(real ? ordered : with_sign ? sign : plain, x, y);
  };
  switch (op) {
    case ScalarOp::eq: return choose(Predicate::FCMP_OEQ, Predicate::ICMP_EQ, Predicate::ICMP_EQ);
    case ScalarOp::ne: return choose(Predicate::FCMP_UNE, Predicate::ICMP_NE, Predicate::ICMP_NE);
    case ScalarOp::lt: return choose(Predicate::FCMP_OLT, Predicate::ICMP_SLT, Predicate::ICMP_ULT);
    case ScalarOp::le: return choose(Predicate::FCMP_OLE, Predicate::ICMP_SLE, Predicate::ICMP_ULE);
    case ScalarOp::gt: return choose(Predicate::FCMP_OGT, Predicate::ICMP_SGT, Predicate::ICMP_UGT);
    case ScalarOp::ge: return choose(Predicate::FCMP_OGE, Predicate::ICMP_SGE, Predicate::ICMP_UGE);
    default: ir::internal_error(__FILE__, __LINE__, "not a comparison");
  }
}

/// Functions of one operand, and power.
llvm::Value* emit_function(llvm::IRBuilder<>& b, ScalarOp op, DType dtype, llvm::Value* x, llvm::Value* y) {
  NNC_CHECK(dtype == DType::f32, "a kernel has a function of {}, which has no code", ir::name(dtype));
  switch (op) {
    case ScalarOp::exp: return emit_exp(b, x);
    case ScalarOp::log: return emit_log(b, x);
    case ScalarOp::sin: return emit_sin(b, x);
    case ScalarOp::cos: return emit_cos(b, x);
    case ScalarOp::tanh: return emit_tanh(b, x);
    case ScalarOp::erf: return emit_erf(b, x);
    case ScalarOp::pow: return emit_pow(b, x, y);
    default: ir::internal_error(__FILE__, __LINE__, "a formula is malformed");
  }
}

llvm::Value* emit_abs(llvm::IRBuilder<>& b, DType dtype, llvm::Value* x) {
  if (ir::is_float(dtype)) return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
  return is_signed(dtype) ? b.CreateBinaryIntrinsic(llvm::Intrinsic::abs, x, b.getFalse()) : x;
}

/// LLVM asks of x alone whether it is NaN: the processor's instruction gives its second operand, y, if either is. Zeros
/// have no sign in nnc (docs/semantics.md); to give it one takes instructions more.
llvm::Value* emit_extremum(llvm::IRBuilder<>& b, DType dtype, ID real, ID with_sign, ID plain, llvm::Value* x,
                           llvm::Value* y) {
  if (!ir::is_float(dtype)) return b.CreateBinaryIntrinsic(is_signed(dtype) ? with_sign : plain, x, y);
  llvm::Value* const made = b.CreateBinaryIntrinsic(real, x, y);
  if (auto* const call = llvm::dyn_cast<llvm::CallInst>(made)) call->setHasNoSignedZeros(true);
  return made;
}

llvm::Value* emit_arithmetic(llvm::IRBuilder<>& b, ScalarOp op, DType dtype, llvm::Value* x, llvm::Value* y) {
  const bool real = ir::is_float(dtype);
  switch (op) {
    case ScalarOp::add: return real ? b.CreateFAdd(x, y) : b.CreateAdd(x, y);
    case ScalarOp::sub: return real ? b.CreateFSub(x, y) : b.CreateSub(x, y);
    case ScalarOp::mul: return real ? b.CreateFMul(x, y) : b.CreateMul(x, y);
    case ScalarOp::div: NNC_CHECK(real, "a formula divides integers"); return b.CreateFDiv(x, y);
    case ScalarOp::neg: return real ? b.CreateFNeg(x) : b.CreateNeg(x);
    case ScalarOp::max:
      return emit_extremum(b, dtype, llvm::Intrinsic::maximum, llvm::Intrinsic::smax, llvm::Intrinsic::umax, x, y);
    case ScalarOp::min:
      return emit_extremum(b, dtype, llvm::Intrinsic::minimum, llvm::Intrinsic::smin, llvm::Intrinsic::umin, x, y);
    case ScalarOp::abs: return emit_abs(b, dtype, x);
    case ScalarOp::floor: return b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, x);
    case ScalarOp::ceil: return b.CreateUnaryIntrinsic(llvm::Intrinsic::ceil, x);
    case ScalarOp::round: return b.CreateUnaryIntrinsic(llvm::Intrinsic::roundeven, x);
    case ScalarOp::sqrt: return b.CreateUnaryIntrinsic(llvm::Intrinsic::sqrt, x);
    default: return emit_function(b, op, dtype, x, y);
  }
}

/// LLVM would make one masked instruction of a choice of lanes and of what comes from memory: a Zen 5 then
/// reads beyond its caches half as fast, or less. So what is chosen is in registers. A masked load alone does no harm.
llvm::Value* emit_select(llvm::IRBuilder<>& b, llvm::Value* condition, llvm::Value* x, llvm::Value* y) {
  const auto is_load = [](const llvm::Value* value) { return llvm::isa<llvm::LoadInst>(value); };
  const auto is_zero = [](const llvm::Value* value) {
    const auto* constant = llvm::dyn_cast<llvm::Constant>(value);
    return constant != nullptr && constant->isNullValue();
  };
  const auto in_registers = [&](llvm::Value* value, const llvm::Value* other) -> llvm::Value* {
    const auto* made = llvm::dyn_cast<llvm::Instruction>(value);
    if (made == nullptr || !value->getType()->isVectorTy() || !value->getType()->isFPOrFPVectorTy()) return value;
    const bool from_memory = is_load(value) ? !is_zero(other) : llvm::any_of(made->operands(), is_load);
    return from_memory ? b.CreateArithmeticFence(value, value->getType()) : value;
  };
  return b.CreateSelect(condition, in_registers(x, y), in_registers(y, x));
}

}  // namespace

llvm::Type* register_type(llvm::LLVMContext& context, DType dtype, int lanes) {
  switch (dtype) {
    case DType::f32: return with_lanes(llvm::Type::getFloatTy(context), lanes);
    case DType::f64: return with_lanes(llvm::Type::getDoubleTy(context), lanes);
    case DType::i32: return with_lanes(llvm::Type::getInt32Ty(context), lanes);
    case DType::i64: return with_lanes(llvm::Type::getInt64Ty(context), lanes);
    case DType::u16: return with_lanes(llvm::Type::getInt16Ty(context), lanes);
    case DType::u8: return with_lanes(llvm::Type::getInt8Ty(context), lanes);
    case DType::boolean: return with_lanes(llvm::Type::getInt1Ty(context), lanes);
    case DType::bf16: break;
  }
  ir::internal_error(__FILE__, __LINE__, "a kernel has elements of bf16, which have no code");
}

llvm::Type* memory_type(llvm::LLVMContext& context, DType dtype, int lanes) {
  return register_type(context, dtype == DType::boolean ? DType::u8 : dtype, lanes);
}

llvm::Value* to_memory(llvm::IRBuilder<>& b, llvm::Value* value, DType dtype) {
  if (dtype != DType::boolean) return value;
  return b.CreateZExt(value, memory_type(b.getContext(), dtype, lanes_of(value)));
}

llvm::Value* from_memory(llvm::IRBuilder<>& b, llvm::Value* value, DType dtype) {
  return dtype == DType::boolean ? b.CreateIsNotNull(value) : value;
}

int lanes_of(const llvm::Value* value) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
  return vector == nullptr ? 1 : static_cast<int>(vector->getNumElements());
}

llvm::Value* splat(llvm::IRBuilder<>& b, llvm::Value* value, int lanes) {
  if (lanes == 1 || value->getType()->isVectorTy()) return value;
  return b.CreateVectorSplat(static_cast<unsigned>(lanes), value);
}

llvm::Constant* lane_numbers(llvm::LLVMContext& context, std::int64_t first, int lanes) {
  std::vector<std::uint64_t> numbers;
  for (int lane = 0; lane < lanes; ++lane) numbers.push_back(static_cast<std::uint64_t>(first + lane));
  if (lanes == 1) return llvm::ConstantInt::get(llvm::Type::getInt64Ty(context), numbers[0]);
  return llvm::ConstantDataVector::get(context, numbers);
}

llvm::Constant* number(llvm::LLVMContext& context, double value, DType dtype) {
  llvm::Type* const type = register_type(context, dtype);
  if (dtype == DType::f32) return llvm::ConstantFP::get(type, static_cast<double>(static_cast<float>(value)));
  if (dtype == DType::f64) return llvm::ConstantFP::get(type, value);
  if (dtype == DType::boolean) return llvm::ConstantInt::get(type, value != 0 ? 1 : 0);
  return ir::visit_dtype(dtype, [&]<class T>() -> llvm::Constant* {
    return llvm::ConstantInt::get(type, static_cast<std::uint64_t>(ir::convert_number<T>(value)), is_signed(dtype));
  });
}

llvm::Value* emit_cast(llvm::IRBuilder<>& b, llvm::Value* value, DType from, DType to) {
  if (from == to) return value;
  llvm::Type* const type = register_type(b.getContext(), to, lanes_of(value));
  const bool from_real = ir::is_float(from), to_real = ir::is_float(to);
  if (to == DType::boolean) {
    llvm::Value* const zero = llvm::Constant::getNullValue(value->getType());
    return from_real ? b.CreateFCmpUNE(value, zero) : b.CreateICmpNE(value, zero);
  }
  if (from_real && to_real) return b.CreateFPCast(value, type);
  if (to_real) return is_signed(from) ? b.CreateSIToFP(value, type) : b.CreateUIToFP(value, type);
  if (from_real) {
    const ID convert = is_signed(to) ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat;
    return b.CreateIntrinsic(convert, {type, value->getType()}, {value});
  }
  return is_signed(from) ? b.CreateSExtOrTrunc(value, type) : b.CreateZExtOrTrunc(value, type);
}

std::vector<llvm::Value*> emit_program(llvm::IRBuilder<>& b, const ir::ScalarProgram& program,
                                       const ScalarSource& inputs, const ScalarSource& coordinates,
                                       llvm::Value* stream) {
  std::vector<bool> used(program.instrs.size(), false);
  for (const int result : program.results) used[static_cast<std::size_t>(result)] = true;
  for (std::size_t id = program.instrs.size(); id-- > 0;)
    if (used[id])
      for (const int operand : {program.instrs[id].a, program.instrs[id].b, program.instrs[id].c})
        if (operand >= 0) used[static_cast<std::size_t>(operand)] = true;

  std::vector<llvm::Value*> scalars(program.instrs.size(), nullptr);
  for (std::size_t id = 0; id < program.instrs.size(); ++id) {
    if (!used[id]) continue;
    const ScalarInstr& instr = program.instrs[id];
    // Operands with as many lanes as the widest one has.
    llvm::Value* operands[3] = {nullptr, nullptr, nullptr};
    int lanes = 1;
    const int ids[3] = {instr.a, instr.b, instr.c};
    for (int i = 0; i < 3; ++i)
      if (ids[i] >= 0) {
        operands[i] = scalars[static_cast<std::size_t>(ids[i])];
        lanes = std::max(lanes, lanes_of(operands[i]));
      }
    // One condition, or one key and step, serves all lanes.
    const bool first_as_is = instr.op == ScalarOp::select || instr.op == ScalarOp::random;
    for (int i = first_as_is ? 1 : 0; i < 3; ++i)
      if (operands[i] != nullptr && instr.op != ScalarOp::random) operands[i] = splat(b, operands[i], lanes);
    const auto [x, y, z] = operands;
    const DType from = instr.a >= 0 ? program.instrs[static_cast<std::size_t>(instr.a)].dtype : instr.dtype;
    llvm::Value*& made = scalars[id];
    switch (instr.op) {
      case ScalarOp::input: made = inputs(instr.index); break;
      case ScalarOp::coordinate: made = coordinates(instr.index); break;
      case ScalarOp::constant: made = number(b.getContext(), instr.value, instr.dtype); break;
      case ScalarOp::eq:
      case ScalarOp::ne:
      case ScalarOp::lt:
      case ScalarOp::le:
      case ScalarOp::gt:
      case ScalarOp::ge: made = emit_compare(b, instr.op, from, x, y); break;
      case ScalarOp::logical_and: made = b.CreateAnd(x, y); break;
      case ScalarOp::logical_or: made = b.CreateOr(x, y); break;
      case ScalarOp::logical_not: made = b.CreateNot(x); break;
      case ScalarOp::select: made = emit_select(b, x, y, z); break;
      case ScalarOp::cast: made = emit_cast(b, x, from, instr.dtype); break;
      case ScalarOp::random:
        made = emit_random(b, x, y, stream == nullptr ? b.getInt64(instr.stream) : stream, z);
        break;
      default: made = emit_arithmetic(b, instr.op, instr.dtype, x, y);
    }
  }
  std::vector<llvm::Value*> results;
  for (const int result : program.results) results.push_back(scalars[static_cast<std::size_t>(result)]);
  return results;
}

}  // namespace nnc::runtime::jit
