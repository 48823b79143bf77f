#include "runtime/jit/winograd_emitter.h"

#include "ir/target.h"
#include "runtime/jit/control_flow.h"
#include "runtime/jit/lanes.h"

#include <llvm/IR/Function.h>
#include <llvm/IR/IRBuilder.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

namespace nnc::runtime::jit {

using ir::WinogradTiles;

WinogradPlan winograd_plan(const WinogradTiles& tiles) {
  constexpr std::int64_t f32 = 4, least_block = 16;
  const std::int64_t products = tiles.products();
  const std::int64_t tile_bytes = products * (tiles.channels + tiles.outputs) * f32;
  const bool is_weight = tiles.result == WinogradTiles::Result::weight;
  // Measured: what is transformed is best used from the first cache, or soon after; sums are loaded and stored once a
  // block, for which it may be larger.
  const std::int64_t block_bytes = is_weight ? 256 << 10 : 64 << 10, most_block = is_weight ? 64 : 32;
  WinogradPlan plan;
  plan.block = std::clamp(block_bytes / tile_bytes / least_block * least_block, least_block, most_block);
  plan.row_bytes = products * f32 * (plan.position_stride(tiles.channels) + plan.position_stride(tiles.outputs));
  plan.chunk = plan.block;
  if (is_weight) {
    plan.partial_bytes = tiles.weight_bytes();
    const std::int64_t blocks = (tiles.tiles() + plan.block - 1) / plan.block;
    plan.chunk = std::max(std::int64_t{1}, (blocks + tiles.sums() - 1) / tiles.sums()) * plan.block;
  }
  plan.chunks = (tiles.tiles() + plan.chunk - 1) / plan.chunk;
  return plan;
}

namespace {

using Value = llvm::Value*;
using Row = std::vector<Value>;
/// By rows.
using Square = std::vector<Row>;

/// Lanes of which both images' channels are whole vectors.
int common_lanes(const WinogradTiles& tiles, int lanes) {
  return static_cast<int>(std::gcd(std::gcd(tiles.channels, tiles.outputs), std::int64_t{lanes}));
}

class Emitter {
 public:
  Emitter(llvm::Module& module, const std::string& name, const WinogradTiles& tiles, int lanes)
      : tiles_(tiles),
        plan_(winograd_plan(tiles)),
        matrices_(ir::winograd_matrices(tiles.window)),
        lanes_(common_lanes(tiles, lanes)),
        b_(module.getContext()) {
    llvm::Type* const pointer = b_.getPtrTy();
    llvm::Type* const i64 = b_.getInt64Ty();
    function_ =
        llvm::Function::Create(llvm::FunctionType::get(b_.getVoidTy(), {pointer, i64, i64, pointer, pointer}, false),
                               llvm::GlobalValue::ExternalLinkage, name, module);
    b_.SetInsertPoint(llvm::BasicBlock::Create(b_.getContext(), "entry", function_));
    vector_ = llvm::FixedVectorType::get(b_.getFloatTy(), static_cast<unsigned>(lanes_));
  }

  void weight() {
    const Value from = argument(0), to = argument(1);
    emit_loop(b_, begin(), end(), 1, [&](Value c) {
      emit_loop(b_, 0, tiles_.outputs, lanes_, [&](Value k) {
        if (tiles_.result == WinogradTiles::Result::weight)
          gradient_of_weight(from, to, c, k);
        else
          transformed_weight(from, to, c, k);
      });
    });
    b_.CreateRetVoid();
  }

  void tiles() {
    const bool is_weight = tiles_.result == WinogradTiles::Result::weight;
    const Value v = rows();
    const Value second = at(v, number(tiles_.products() * plan_.position_stride(tiles_.channels)));  // M or D
    if (is_weight) clear(partial(), tiles_.weight_elements());
    emit_loop(b_, begin(), b_.CreateAdd(begin(), whole_multiple(b_.CreateSub(end(), begin()), plan_.block)),
              plan_.block, [&](Value first) {
                const Value left = b_.CreateSub(end(), first);
                const Value count =
                    b_.CreateSelect(b_.CreateICmpSLT(left, number(plan_.block)), left, number(plan_.block));
                emit_loop(b_, number(0), count, 1, [&](Value t) {
                  const Place tile = place(b_.CreateAdd(first, t));
                  read_tile(tile, at(v, b_.CreateMul(t, number(tiles_.channels))));
                  if (is_weight) read_gradient(tile, at(second, b_.CreateMul(t, number(tiles_.outputs))));
                });
                if (is_weight) return sum_tiles(v, second, filled_up(v, second, count));
                multiply_tiles(v, second, count);
                emit_loop(b_, number(0), count, 1, [&](Value t) {
                  write_tile(place(b_.CreateAdd(first, t)), at(second, b_.CreateMul(t, number(tiles_.outputs))));
                });
              });
    b_.CreateRetVoid();
  }

 private:
  // --- addresses; elements are f32 --------------------------------------------------------------------------------------

  Value number(std::int64_t x) { return b_.getInt64(static_cast<std::uint64_t>(x)); }
  Value begin() const { return function_->getArg(1); }
  Value end() const { return function_->getArg(2); }
  Value partial() const { return function_->getArg(3); }
  Value rows() const { return function_->getArg(4); }
  Value argument(unsigned i) {
    return b_.CreateLoad(b_.getPtrTy(), b_.CreateConstGEP1_64(b_.getPtrTy(), function_->getArg(0), i));
  }
  Value at(Value base, Value elements) { return b_.CreateGEP(b_.getFloatTy(), base, elements); }
  Value at(Value base, std::int64_t elements) { return at(base, number(elements)); }
  Value load(Value address) { return b_.CreateAlignedLoad(vector_, address, llvm::Align(4)); }
  void store(Value x, Value address) { b_.CreateAlignedStore(x, address, llvm::Align(4)); }
  Value splat(double x) { return llvm::ConstantFP::get(vector_, x); }
  Value spread(Value address) {
    return b_.CreateVectorSplat(static_cast<unsigned>(lanes_),
                                b_.CreateAlignedLoad(b_.getFloatTy(), address, llvm::Align(4)));
  }
  /// Of all lanes, `stride` elements apart.
  Value addresses(Value first, std::int64_t stride) {
    std::vector<llvm::Constant*> offsets;
    for (int lane = 0; lane < lanes_; ++lane) offsets.push_back(b_.getInt64(static_cast<std::uint64_t>(lane * stride)));
    return b_.CreateGEP(b_.getFloatTy(), first, llvm::ConstantVector::get(offsets));
  }
  void clear(Value base, std::int64_t elements) {
    emit_loop(b_, 0, elements, lanes_, [&](Value i) { store(splat(0), at(base, i)); });
  }
  Value whole_multiple(Value count, std::int64_t of) {
    return b_.CreateMul(b_.CreateUDiv(b_.CreateAdd(count, number(of - 1)), number(of)), number(of));
  }

  // --- transformations, of columns, then of rows ------------------------------------------------------------------------

  Value add(Value x, Value y) { return b_.CreateFAdd(x, y); }
  Value sub(Value x, Value y) { return b_.CreateFSub(x, y); }

  /// Position p of a tile.
  Value& position(Square& square, int p) const {
    return square[static_cast<std::size_t>(p / tiles_.read())][static_cast<std::size_t>(p % tiles_.read())];
  }

  /// m x m^T.
  Square both(const ir::Coefficients& m, const Square& x) {
    Square result;
    for (const std::vector<double>& coefficients : m) {
      Row row;
      for (std::size_t j = 0; j < x[0].size(); ++j) {
        Row column;
        for (const Row& of_x : x) column.push_back(of_x[j]);
        row.push_back(combination(coefficients, column));
      }
      Row& made = result.emplace_back();
      for (const std::vector<double>& second : m) made.push_back(combination(second, row));
    }
    return result;
  }

  // Rows of points p and -p have the same sums of even and of odd elements, but for signs: LLVM keeps one of each.
  Value combination(const std::vector<double>& coefficients, const Row& x) {
    const Part even = part(coefficients, x, 0), odd = part(coefficients, x, 1);
    if (odd.sum == nullptr) return even.negative ? b_.CreateFNeg(even.sum) : even.sum;
    if (even.sum == nullptr) return odd.negative ? b_.CreateFNeg(odd.sum) : odd.sum;
    if (even.negative == odd.negative) {
      const Value sum = add(even.sum, odd.sum);
      return even.negative ? b_.CreateFNeg(sum) : sum;
    }
    return even.negative ? sub(odd.sum, even.sum) : sub(even.sum, odd.sum);
  }
  struct Part {
    Value sum = nullptr;  // of no element
    bool negative = false;
  };
  /// The sum of every second element from `first`, so that the first coefficient is positive.
  Part part(const std::vector<double>& coefficients, const Row& x, std::size_t first) {
    Part part;
    double factor = 0;  // of all elements so far; 0: there is none
    for (std::size_t i = first; i < x.size(); i += 2) {
      if (coefficients[i] == 0) continue;
      const double c = part.negative ? -coefficients[i] : coefficients[i];
      if (part.sum == nullptr) {
        part = {x[i], c < 0};
        factor = std::abs(c);
      } else if (std::abs(c) == factor) {
        part.sum = c > 0 ? add(part.sum, x[i]) : sub(part.sum, x[i]);
      } else {
        part.sum = Lanes(b_, x[i]).fma(x[i], splat(c / factor), part.sum);
      }
    }
    if (part.sum != nullptr && factor != 1) part.sum = b_.CreateFMul(part.sum, splat(factor));
    return part;
  }

  // --- weights ----------------------------------------------------------------------------------------------------------

  /// Where element (channel, output) of a tile's position p is in U or M.
  Value transformed(Value base, int p, Value c, Value k) {
    return at(at(base, p * tiles_.channels * tiles_.outputs), b_.CreateAdd(b_.CreateMul(c, number(tiles_.outputs)), k));
  }

  /// The window of channel c for outputs k...; in memory outputs come first, or channels where transposed.
  Square window(Value base, Value c, Value k) {
    const int elements = tiles_.window * tiles_.window;
    const std::int64_t of_channel = tiles_.transposed ? tiles_.outputs * elements : elements;
    const std::int64_t of_output = tiles_.transposed ? elements : tiles_.channels * elements;
    const Value first = at(base, b_.CreateAdd(b_.CreateMul(c, number(of_channel)), b_.CreateMul(k, number(of_output))));
    Square places(static_cast<std::size_t>(tiles_.window));
    for (int i = 0; i < elements; ++i)
      places[static_cast<std::size_t>(i / tiles_.window)].push_back(
          addresses(at(first, tiles_.transposed ? elements - 1 - i : i), of_output));
    return places;
  }

  void transformed_weight(Value from, Value to, Value c, Value k) {
    Square w = window(from, c, k);
    for (Row& row : w)
      for (Value& x : row) x = b_.CreateMaskedGather(vector_, x, llvm::Align(4));
    Square u = both(matrices_.weight, w);
    for (int p = 0; p < tiles_.products(); ++p) store(position(u, p), transformed(to, p, c, k));
  }

  void gradient_of_weight(Value from, Value to, Value c, Value k) {
    Square sums = square(tiles_.read());
    const Value chunks = b_.CreateLoad(b_.getInt64Ty(), argument(2));
    for (int p = 0; p < tiles_.products(); ++p) {
      const Value first = transformed(from, p, c, k);
      llvm::AllocaInst* const sum = emit_variable(b_, vector_);
      b_.CreateStore(load(first), sum);
      emit_loop(b_, number(1), chunks, 1, [&](Value chunk) {
        const Value next = load(at(first, b_.CreateMul(chunk, number(tiles_.weight_elements()))));
        b_.CreateStore(add(b_.CreateLoad(vector_, sum), next), sum);
      });
      position(sums, p) = b_.CreateLoad(vector_, sum);
    }
    const Square w = both(ir::transposed(matrices_.weight), sums), places = window(to, c, k);
    for (std::size_t i = 0; i < w.size(); ++i)
      for (std::size_t j = 0; j < w.size(); ++j) b_.CreateMaskedScatter(w[i][j], places[i][j], llvm::Align(4));
  }

  static Square square(int n) { return Square(static_cast<std::size_t>(n), Row(static_cast<std::size_t>(n))); }

  // --- tiles ------------------------------------------------------------------------------------------------------------

  struct Place {
    Value example, row, column;  // of the tile, in the grid
  };
  Place place(Value tile) {
    const auto [height, width] = tiles_.grid();
    const Value line = b_.CreateUDiv(tile, number(width));
    return {b_.CreateUDiv(line, number(height)), b_.CreateURem(line, number(height)),
            b_.CreateURem(tile, number(width))};
  }

  /// Element 0 of the channels at a place of an image, or zeros where it is outside.
  struct Pixels {
    std::array<std::int64_t, 2> extents;
    std::int64_t channels;
    Value image, zeros;
  };
  Value pixel(const Pixels& pixels, Value example, Value row, Value column) {
    const Value line = b_.CreateAdd(b_.CreateMul(example, number(pixels.extents[0])), row);
    const Value place = b_.CreateAdd(b_.CreateMul(line, number(pixels.extents[1])), column);
    const Value address = at(pixels.image, b_.CreateMul(place, number(pixels.channels)));
    return b_.CreateSelect(inside(pixels, row, column), address, pixels.zeros);
  }
  /// A negative coordinate is a large one without sign.
  Value inside(const Pixels& pixels, Value row, Value column) {
    return b_.CreateAnd(b_.CreateICmpULT(row, number(pixels.extents[0])),
                        b_.CreateICmpULT(column, number(pixels.extents[1])));
  }
  Value zeros(std::int64_t channels) {
    llvm::Type* const type = llvm::ArrayType::get(b_.getFloatTy(), static_cast<std::uint64_t>(channels));
    auto* const made = new llvm::GlobalVariable(*function_->getParent(), type, /*isConstant=*/true,
                                                llvm::GlobalValue::PrivateLinkage, llvm::Constant::getNullValue(type));
    made->setAlignment(llvm::Align(64));
    return made;
  }

  /// V of a tile; its positions are `block` rows apart.
  void read_tile(const Place& tile, Value v) {
    const Pixels x{tiles_.input, tiles_.channels, argument(0), zeros(tiles_.channels)};
    const Square places = pixels(x, tile, tiles_.read(), tiles_.low);
    emit_loop(b_, 0, tiles_.channels, lanes_,
              [&](Value c) { store_positions(both(matrices_.input, loaded(places, c)), v, c, tiles_.channels); });
  }
  /// D of a tile.
  void read_gradient(const Place& tile, Value d) {
    const Pixels y{tiles_.output, tiles_.outputs, argument(1), zeros(tiles_.outputs)};
    const Square places = pixels(y, tile, WinogradTiles::written, {});
    const ir::Coefficients a = ir::transposed(matrices_.output);
    emit_loop(b_, 0, tiles_.outputs, lanes_,
              [&](Value k) { store_positions(both(a, loaded(places, k)), d, k, tiles_.outputs); });
  }
  void write_tile(const Place& tile, Value m) {
    const Pixels y{tiles_.output, tiles_.outputs, argument(2), zeros(tiles_.outputs)};
    const Square places = pixels(y, tile, WinogradTiles::written, {});
    emit_loop(b_, 0, tiles_.outputs, lanes_, [&](Value k) {
      Square sums = square(tiles_.read());
      for (int p = 0; p < tiles_.products(); ++p)
        position(sums, p) = load(at(at(m, p * plan_.position_stride(tiles_.outputs)), k));
      const Square made = both(matrices_.output, sums);
      for (std::size_t i = 0; i < made.size(); ++i)
        for (std::size_t j = 0; j < made.size(); ++j) {
          const auto write = [&] { store(made[i][j], at(places[i][j], k)); };
          const bool may_be_outside = (i == 1 && tiles_.output[0] % 2 != 0) || (j == 1 && tiles_.output[1] % 2 != 0);
          if (may_be_outside)
            emit_if(b_, b_.CreateICmpNE(places[i][j], y.zeros), write);
          else
            write();
        }
    });
  }
  /// The n x n positions of an image that belong to a tile.
  Square pixels(const Pixels& image, const Place& tile, int n, const std::array<std::int64_t, 2>& low) {
    Square places;
    for (int i = 0; i < n; ++i) {
      Row& row = places.emplace_back();
      for (int j = 0; j < n; ++j)
        row.push_back(
            pixel(image, tile.example, coordinate(tile.row, i - low[0]), coordinate(tile.column, j - low[1])));
    }
    return places;
  }
  Value coordinate(Value tile, std::int64_t offset) {
    return b_.CreateAdd(b_.CreateMul(tile, number(WinogradTiles::written)), number(offset));
  }
  Square loaded(Square places, Value channel) {
    for (Row& row : places)
      for (Value& place : row) place = load(at(place, channel));
    return places;
  }
  void store_positions(Square x, Value base, Value channel, std::int64_t channels) {
    for (int p = 0; p < tiles_.products(); ++p)
      store(position(x, p), at(at(base, p * plan_.position_stride(channels)), channel));
  }

  // --- products ---------------------------------------------------------------------------------------------------------

  /// Of a product: the rows and the vectors of a row that are summed at a time, in half of the registers, and the steps of
  /// a turn of the loop. They divide the rows of a block, the outputs and the depth.
  struct Blocking {
    int rows, vectors, steps;
  };
  Blocking blocking() const {
    constexpr int most_steps = 4;
    const bool is_weight = tiles_.result == WinogradTiles::Result::weight;
    const int sums = ir::vector_registers(lanes_) / 2;
    int vectors = 4;
    while (tiles_.outputs % (std::int64_t{lanes_} * vectors) != 0) vectors /= 2;
    const std::int64_t rows = is_weight ? tiles_.channels : plan_.block,
                       depth = is_weight ? plan_.block : tiles_.channels;
    return {static_cast<int>(std::gcd(rows, std::int64_t{sums / vectors})), vectors,
            static_cast<int>(std::gcd(depth, std::int64_t{most_steps}))};
  }

  /// to[r, k] (+)= the sum over s < depth of a[r, s] b[s, k], for the rows and vectors of the blocking; `depth` is a
  /// multiple of its steps. Strides are in elements.
  struct Factor {
    Value base;
    std::int64_t row, depth;
  };
  void multiply(const Factor& a, Value b, Value to, Value depth, bool add_to) {
    const int rows = blocking().rows, vectors = blocking().vectors, steps = blocking().steps;
    std::vector<llvm::AllocaInst*> sums;
    const auto each = [&](const std::function<void(int r, int k, llvm::AllocaInst* sum)>& f) {
      for (int r = 0; r < rows; ++r)
        for (int k = 0; k < vectors; ++k) f(r, k, sums[static_cast<std::size_t>(r * vectors + k)]);
    };
    const auto address = [&](int r, int k) { return at(to, r * tiles_.outputs + std::int64_t{k} * lanes_); };
    for (int i = 0; i < rows * vectors; ++i) sums.push_back(emit_variable(b_, vector_));
    each([&](int r, int k, llvm::AllocaInst* sum) { b_.CreateStore(add_to ? load(address(r, k)) : splat(0), sum); });
    const auto step = [&](Value s) {
      std::vector<Value> right;
      const Value row = at(b, b_.CreateMul(s, number(tiles_.outputs)));
      for (int k = 0; k < vectors; ++k) right.push_back(load(at(row, std::int64_t{k} * lanes_)));
      const Value column = at(a.base, b_.CreateMul(s, number(a.depth)));
      for (int r = 0; r < rows; ++r) {
        const Value left = spread(at(column, r * a.row));
        for (int k = 0; k < vectors; ++k) {
          llvm::AllocaInst* const sum = sums[static_cast<std::size_t>(r * vectors + k)];
          const Lanes l(b_, left);
          b_.CreateStore(l.fma(left, right[static_cast<std::size_t>(k)], b_.CreateLoad(vector_, sum)), sum);
        }
      }
    };
    emit_loop(b_, number(0), depth, steps, [&](Value s) {
      for (int i = 0; i < steps; ++i) step(b_.CreateAdd(s, number(i)));
    });
    each([&](int r, int k, llvm::AllocaInst* sum) { store(b_.CreateLoad(vector_, sum), address(r, k)); });
  }

  /// M = V U. Rows behind the last tile of a block that is not full are computed of what lies there, and not used.
  void multiply_tiles(Value v, Value m, Value count) {
    const int rows = blocking().rows, vectors = blocking().vectors;
    const Value u = argument(1);
    emit_loop(b_, 0, tiles_.products(), 1, [&](Value p) {
      const Value left = at(v, b_.CreateMul(p, number(plan_.position_stride(tiles_.channels))));
      const Value right = at(u, b_.CreateMul(p, number(tiles_.channels * tiles_.outputs)));
      const Value to = at(m, b_.CreateMul(p, number(plan_.position_stride(tiles_.outputs))));
      const Value whole = whole_multiple(count, rows);
      emit_loop(b_, 0, tiles_.outputs, std::int64_t{lanes_} * vectors, [&](Value k) {
        emit_loop(b_, number(0), whole, rows, [&](Value t) {
          multiply({at(left, b_.CreateMul(t, number(tiles_.channels))), tiles_.channels, 1}, at(right, k),
                   at(to, b_.CreateAdd(b_.CreateMul(t, number(tiles_.outputs)), k)), number(tiles_.channels), false);
        });
      });
    });
  }

  /// Zeros behind the last tile, up to whole steps of a sum; gives their number.
  Value filled_up(Value v, Value d, Value count) {
    const Value whole = whole_multiple(count, blocking().steps);
    emit_loop(b_, count, whole, 1, [&](Value t) {
      for (const auto& [base, channels] : {std::pair{v, tiles_.channels}, std::pair{d, tiles_.outputs}})
        for (int p = 0; p < tiles_.products(); ++p)
          clear(at(at(base, p * plan_.position_stride(channels)), b_.CreateMul(t, number(channels))), channels);
    });
    return whole;
  }

  /// M += V^T D.
  void sum_tiles(Value v, Value d, Value count) {
    const int rows = blocking().rows, vectors = blocking().vectors;
    emit_loop(b_, 0, tiles_.products(), 1, [&](Value p) {
      const Value left = at(v, b_.CreateMul(p, number(plan_.position_stride(tiles_.channels))));
      const Value right = at(d, b_.CreateMul(p, number(plan_.position_stride(tiles_.outputs))));
      const Value to = at(partial(), b_.CreateMul(p, number(tiles_.channels * tiles_.outputs)));
      emit_loop(b_, 0, tiles_.outputs, std::int64_t{lanes_} * vectors, [&](Value k) {
        emit_loop(b_, 0, tiles_.channels, rows, [&](Value c) {
          multiply({at(left, c), 1, tiles_.channels}, at(right, k),
                   at(to, b_.CreateAdd(b_.CreateMul(c, number(tiles_.outputs)), k)), count, true);
        });
      });
    });
  }

  const WinogradTiles tiles_;
  const WinogradPlan plan_;
  const ir::WinogradMatrices matrices_;
  const int lanes_;
  llvm::IRBuilder<> b_;
  llvm::Function* function_ = nullptr;
  llvm::FixedVectorType* vector_ = nullptr;
};

}  // namespace

void emit_winograd_weight(llvm::Module& module, const std::string& name, const WinogradTiles& tiles, int lanes) {
  Emitter(module, name, tiles, lanes).weight();
}

void emit_winograd_tiles(llvm::Module& module, const std::string& name, const WinogradTiles& tiles, int lanes) {
  Emitter(module, name, tiles, lanes).tiles();
}

}  // namespace nnc::runtime::jit
