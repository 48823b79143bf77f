#include "runtime/jit/split_accumulation.h"

#include "runtime/jit/control_flow.h"
#include "runtime/jit/scalar_emitter.h"

namespace nnc::runtime::jit {

using ir::DType;
using ir::SplitReduction;

llvm::Value* SplitAccumulations::element_of(llvm::Value* area, DType kind, llvm::Value* element) {
  return s_.b.CreateGEP(memory_type(s_.b.getContext(), kind), area, element);
}

void SplitAccumulations::start() {
  for (const SplitReduction& split : s_.layout.splits) {
    Split& made = splits_.emplace_back(Split{ReductionEmitter(s_.fused, s_.op(split.op)), std::nullopt});
    if (split.array.dimensions.empty()) {
      const int copies = !split.lanes_apart ? 1 : s_.layout.vector_is_parallel ? s_.unroll : s_.inner_copies();
      made.registers.emplace(s_.b, made.reduction, split.lanes_apart ? s_.lanes() : 1, copies);
      continue;
    }
    // Arrays are made of whole vectors.
    const Accumulators start = made.reduction.start(s_.b, s_.lanes());
    const std::int64_t elements = split.array.elements * (split.lanes_apart ? s_.lanes() : 1);
    emit_loop(s_.b, 0, elements, s_.lanes(), [&](llvm::Value* element) {
      for (std::size_t kind = 0; kind < start.size(); ++kind) {
        const DType type = made.reduction.kinds()[kind];
        s_.access.store_elements(element_of(area(split, kind), type, element), type, start[kind]);
      }
    });
  }
}

void SplitAccumulations::step(const ir::KernelNest& nest, int number) {
  const SplitReduction& split = s_.layout.splits[static_cast<std::size_t>(number)];
  const auto& [reduction, registers] = splits_[static_cast<std::size_t>(number)];
  if (registers) return accumulate_.step(nest, reduction, *registers, split.lanes_apart);
  const bool in_lanes = s_.place.in_lanes && s_.fused.varies(reduction.op().operands[0], s_.vector());
  const int width = in_lanes ? s_.lanes() : 1;
  for (int copy = 0; copy < s_.copies_varied(reduction.op().operands[0]); ++copy) {
    const std::size_t kinds = reduction.kinds().size();
    llvm::SmallVector<llvm::Value*, 2> addresses;
    Accumulators before;
    // Lanes that are elements of the array are masked as they might lie beyond it.
    llvm::Value* const mask = in_lanes && !split.lanes_apart ? s_.place.mask : nullptr;
    for (std::size_t kind = 0; kind < kinds; ++kind) {
      const DType type = reduction.kinds()[kind];
      llvm::Value* const address =
          s_.access.address(area(split, kind), type, split.array, copy, split.lanes_apart ? s_.lanes() : 1);
      addresses.push_back(address);
      before.push_back(s_.access.load_elements(address, type, width, mask));
    }
    const Accumulators after = accumulate_.stepped(nest, reduction, before, copy, in_lanes, split.lanes_apart);
    for (std::size_t kind = 0; kind < kinds; ++kind)
      s_.access.store_elements(addresses[kind], reduction.kinds()[kind], after[kind], mask);
  }
}

void SplitAccumulations::end() {
  for (std::size_t i = 0; i < splits_.size(); ++i) {
    const SplitReduction& split = s_.layout.splits[i];
    const auto& [reduction, registers] = splits_[i];
    const auto store = [&](const Accumulators& merged, llvm::Value* element) {
      for (std::size_t kind = 0; kind < merged.size(); ++kind)
        s_.access.store_elements(element_of(area(split, kind), reduction.kinds()[kind], element),
                                 reduction.kinds()[kind], merged[kind]);
    };
    if (registers) {
      store(split.lanes_apart ? accumulate_.merged(reduction, *registers) : registers->load(s_.b, 0), s_.constant(0));
    } else if (split.lanes_apart) {
      // An element is written before the lanes of any later one.
      emit_loop(s_.b, 0, split.array.elements, 1, [&](llvm::Value* element) {
        Accumulators apart;
        for (std::size_t kind = 0; kind < reduction.kinds().size(); ++kind) {
          const DType type = reduction.kinds()[kind];
          llvm::Value* const first = s_.b.CreateNSWMul(element, s_.constant(s_.lanes()));
          apart.push_back(s_.access.load_elements(element_of(area(split, kind), type, first), type, s_.lanes()));
        }
        store(reduction.merge_lanes(s_.b, apart), element);
      });
    }
  }
}

}  // namespace nnc::runtime::jit
