#include "runtime/jit/winograd.h"

#include "ir/program_memory.h"
#include "runtime/jit/compiler.h"
#include "runtime/jit/winograd_emitter.h"
#include "runtime/share.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace nnc::runtime::jit {

namespace {

using ir::WinogradTiles;

struct Code {
  KernelFunction weight = nullptr, tiles = nullptr;
};

/// Nothing for an op that is not to be computed by tiles.
std::optional<WinogradTiles> tiles_of(const ir::OpView& op) {
  std::optional<WinogradTiles> tiles = ir::winograd_tiles(op);
  return tiles && tiles->is_f32 && op.flag(ir::winograd_attr) ? tiles : std::nullopt;
}

/// The code of a convolution serves any batch.
WinogradTiles of_any_batch(WinogradTiles tiles) {
  tiles.batch = 0;
  return tiles;
}

/// Of the functions of a convolution.
std::string weight_name(std::string_view convolution) { return fmt::format("{}_weight", convolution); }
std::string tiles_name(std::string_view convolution) { return fmt::format("{}_tiles", convolution); }

std::unique_ptr<llvm::Module> emit(Compiler& compiler, std::string_view name, const WinogradTiles& tiles, int lanes) {
  std::unique_ptr<llvm::Module> module = compiler.module(name);
  emit_winograd_weight(*module, weight_name(name), tiles, lanes);
  emit_winograd_tiles(*module, tiles_name(name), tiles, lanes);
  compiler.complete(*module);
  return module;
}

/// Scratch: U or the chunks' sums, then rows for each thread.
struct Scratch {
  std::int64_t partial, first_row, row, bytes;

  Scratch(const WinogradTiles& tiles, const WinogradPlan& plan, int threads)
      : partial(plan.partial_bytes),
        first_row(ir::aligned(plan.partial_bytes > 0 ? plan.chunks * plan.partial_bytes : tiles.weight_bytes())),
        row(ir::aligned(plan.row_bytes)),
        bytes(first_row + threads * row) {}
};

class PreparedWinograd final : public PreparedContraction {
 public:
  PreparedWinograd(Code code, const WinogradTiles& tiles, int threads)
      : code_(code), tiles_(tiles), plan_(winograd_plan(tiles)), scratch_(tiles, plan_, threads), threads_(threads) {}

  void run(void* const* args, void* scratch) override {
    auto* const bytes = static_cast<std::byte*>(scratch);
    if (tiles_.result == WinogradTiles::Result::weight) {
      run_tiles(args, bytes);
      run_weight({bytes, args[2], &plan_.chunks});
    } else {
      run_weight({args[1], bytes, nullptr});
      const std::array<void*, 3> tile_args{args[0], bytes, args[2]};
      run_tiles(tile_args.data(), bytes);
    }
  }

 private:
  void run_weight(const std::array<void*, 3>& args) const {
    share(threads_, tiles_.channels,
          [&](std::int64_t first, std::int64_t end, int) { code_.weight(args.data(), first, end, nullptr, nullptr); });
  }
  void run_tiles(void* const* args, std::byte* scratch) const {
    share(threads_, plan_.chunks, [&](std::int64_t first, std::int64_t end, int thread) {
      for (std::int64_t chunk = first; chunk < end; ++chunk)
        code_.tiles(args, chunk * plan_.chunk, std::min((chunk + 1) * plan_.chunk, tiles_.tiles()),
                    scratch + chunk * scratch_.partial, scratch + scratch_.first_row + thread * scratch_.row);
    });
  }

  Code code_;
  WinogradTiles tiles_;
  WinogradPlan plan_;
  Scratch scratch_;
  int threads_;
};

class Winograd final : public Contractions {
 public:
  Winograd(std::shared_ptr<Contractions> others, const Cpu& cpu, std::shared_ptr<ObjectCache> cache)
      : others_(std::move(others)), cpu_(cpu), cache_(std::move(cache)) {}

  std::int64_t scratch_bytes(const ir::OpView& op, int threads) override {
    const auto tiles = tiles_of(op);
    return tiles ? Scratch(*tiles, winograd_plan(*tiles), threads).bytes : others_->scratch_bytes(op, threads);
  }

  std::unique_ptr<PreparedContraction> prepare(const ir::OpView& op, int threads) override {
    const auto tiles = tiles_of(op);
    if (!tiles) return others_->prepare(op, threads);
    return std::make_unique<PreparedWinograd>(code(*tiles), *tiles, threads);
  }

  std::string version() const override { return others_->version(); }

 private:
  Code code(const WinogradTiles& tiles) {
    const auto [found, is_new] = codes_.try_emplace(of_any_batch(tiles));
    if (is_new) found->second = compile(tiles);
    return found->second;
  }

  Code compile(const WinogradTiles& tiles) {
    if (!compiler_) compiler_.emplace(cpu_);
    if (!objects_) objects_.emplace();
    const auto module = emit(*compiler_, "winograd", tiles, cpu_.lanes);
    const Object object = compile_object(*compiler_, *module, cache_.get());
    objects_->add(object);
    return {objects_->find<KernelFunction>(weight_name(object.name)),
            objects_->find<KernelFunction>(tiles_name(object.name))};
  }

  std::shared_ptr<Contractions> others_;
  Cpu cpu_;
  std::shared_ptr<ObjectCache> cache_;
  std::optional<Compiler> compiler_;
  std::optional<Objects> objects_;
  std::map<WinogradTiles, Code> codes_;
};

}  // namespace

std::unique_ptr<Contractions> with_winograd(std::shared_ptr<Contractions> others, const Cpu& cpu,
                                            std::shared_ptr<ObjectCache> cache) {
  return std::make_unique<Winograd>(std::move(others), cpu, std::move(cache));
}

std::string winograd_text(std::span<const ir::Program> programs, const Cpu& cpu, CodeText form) {
  Compiler compiler(cpu);
  std::string text;
  std::set<WinogradTiles> seen;
  for (const ir::Program& program : programs)
    for (const ir::Instruction& instruction : program.instructions) {
      if (instruction.def == nullptr) continue;
      const std::optional<WinogradTiles> tiles = tiles_of(ir::view(program, instruction));
      if (!tiles || !seen.insert(of_any_batch(*tiles)).second) continue;
      const std::string name = fmt::format("winograd{}", seen.size() - 1);
      text += compiler.text(*emit(compiler, name, *tiles, cpu.lanes), form);
    }
  return text;
}

}  // namespace nnc::runtime::jit
