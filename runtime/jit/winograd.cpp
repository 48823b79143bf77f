#include "runtime/jit/winograd.h"

#include "ir/check.h"
#include "ir/program_memory.h"
#include "runtime/jit/winograd_emitter.h"
#include "runtime/share.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

namespace nnc::runtime::jit {

namespace {

using ir::WinogradTiles;

/// Nothing for an op that is not to be computed by tiles.
std::optional<WinogradTiles> tiles_of(const ir::OpView& op) {
  std::optional<WinogradTiles> tiles = ir::winograd_tiles(op);
  return tiles && tiles->is_f32 && op.flag(ir::winograd_attr) ? tiles : std::nullopt;
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
  PreparedWinograd(WinogradCode code, const WinogradTiles& tiles, int threads)
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

  WinogradCode code_;
  WinogradTiles tiles_;
  WinogradPlan plan_;
  Scratch scratch_;
  int threads_;
};

class Winograd final : public Contractions {
 public:
  Winograd(std::shared_ptr<Contractions> others, std::shared_ptr<const Code> code)
      : others_(std::move(others)), code_(std::move(code)) {}

  std::int64_t scratch_bytes(const ir::OpView& op, int threads) override {
    const auto tiles = tiles_of(op);
    return tiles ? Scratch(*tiles, winograd_plan(*tiles), threads).bytes : others_->scratch_bytes(op, threads);
  }

  bool reads_packed(const ir::OpView& op, int threads) override { return others_->reads_packed(op, threads); }

  std::unique_ptr<PreparedContraction> prepare(const ir::OpView& op, int threads) override {
    const auto tiles = tiles_of(op);
    if (!tiles) return others_->prepare(op, threads);
    NNC_CHECK(code_ != nullptr, "convolutions by tiles are planned here, and not run");
    return std::make_unique<PreparedWinograd>(code_->winograd(*tiles), *tiles, threads);
  }

  std::string version() const override { return others_->version(); }

 private:
  std::shared_ptr<Contractions> others_;
  std::shared_ptr<const Code> code_;
};

}  // namespace

std::unique_ptr<Contractions> with_winograd(std::shared_ptr<Contractions> others, std::shared_ptr<const Code> code) {
  return std::make_unique<Winograd>(std::move(others), std::move(code));
}

std::vector<WinogradTiles> winograd_convolutions(std::span<const ir::Program> programs) {
  std::vector<WinogradTiles> found;
  for (const ir::Program& program : programs)
    for (const ir::Instruction& instruction : program.instructions)
      if (instruction.def != nullptr)
        if (const auto tiles = tiles_of(ir::view(program, instruction))) found.push_back(*tiles);
  return found;
}

}  // namespace nnc::runtime::jit
