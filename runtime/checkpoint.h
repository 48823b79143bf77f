// Weights on disk, as safetensors: an 8-byte length, a JSON header, then raw row-major little-endian elements. A file
// is written beside its final name, synced and renamed, so that a reader finds the old file or the new one, whole.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "ir/tensor.h"
#include "runtime/data/dataset.h"
#include "runtime/data/file.h"
#include "runtime/executor.h"

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace nnc::runtime {

using NamedTensors = std::map<std::string, ir::Tensor>;

/// Texts that a file holds beside its tensors.
using Metadata = std::map<std::string, std::string>;

/// A safetensors file that is open: its header is proven, and tensors are read one by one, so that weights need no
/// memory but the slots they are for.
class SafetensorsFile {
 public:
  struct Entry {
    ir::Type type;
    std::size_t begin = 0, end = 0;  // bytes of the file
  };

  /// Any well-formed file of dtypes that ours has; everything broken about it is an error that names it.
  static std::optional<SafetensorsFile> open(const std::string& path, ir::Diagnostics& diagnostics);

  const std::map<std::string, Entry>& entries() const { return entries_; }
  const Metadata& metadata() const { return metadata_; }
  /// The elements of a tensor that it has, row-major, into as many bytes. A bool that is neither 0 nor 1 and a file that
  /// was shortened since are errors.
  ir::Status read(const std::string& name, std::span<std::byte> into, ir::Diagnostics& diagnostics) const;

 private:
  explicit SafetensorsFile(InputFile file) : file_(std::move(file)) {}

  InputFile file_;
  std::map<std::string, Entry> entries_;
  Metadata metadata_;
};

/// All tensors of such a file.
std::optional<NamedTensors> read_safetensors(const std::string& path, ir::Diagnostics& diagnostics);

/// A tensor where it is.
struct TensorView {
  ir::Type type;
  std::span<const std::byte> bytes;  // row-major

  TensorView(ir::Type type, std::span<const std::byte> bytes) : type(std::move(type)), bytes(bytes) {}
  TensorView(const ir::Tensor& tensor) : TensorView(tensor.type(), tensor.bytes()) {}
};
using NamedViews = std::map<std::string, TensorView>;

ir::Status write_safetensors(const std::string& path, const NamedViews& tensors, ir::Diagnostics& diagnostics,
                             const Metadata& metadata = {});

/// Writes the slots that a user calls weights (parameters and statistics), plain f32, by path.
ir::Status save_weights(const std::string& path, const ir::Module& module, Executor& executor, const Metadata& metadata,
                        ir::Diagnostics& diagnostics);
/// Replaces parameters and statistics by the file's: every parameter must be there with its shape; unknown names are
/// errors, with the near name. After an error within the elements the slots are worth nothing.
ir::Status load_weights(const std::string& path, const ir::Module& module, Executor& executor,
                        ir::Diagnostics& diagnostics);
/// Whether the file has what the module needs; its elements are not read.
ir::Status check_weights(const std::string& path, const ir::Module& module, ir::Diagnostics& diagnostics);

/// The same for all slots, as they are, of whatever kind; every slot must be there with its type.
ir::Status save_slots(const std::string& path, const ir::Module& module, Executor& executor, const Metadata& metadata,
                      ir::Diagnostics& diagnostics);
ir::Status load_slots(const std::string& path, const ir::Module& module, Executor& executor,
                      ir::Diagnostics& diagnostics);
ir::Status check_slots(const std::string& path, const ir::Module& module, ir::Diagnostics& diagnostics);

/// What the values of data fields stand for (Column::symbols), a JSON array by field: kept beside the weights, which mean
/// nothing without it. Empty if they stand for themselves.
Metadata symbol_tables(const Dataset& data);
/// Whether the data's fields mean what they meant to the file's weights, as far as the file says so.
ir::Status check_symbols(const std::string& path, const Dataset& data, ir::Diagnostics& diagnostics);

/// What training writes to its output directory.
inline constexpr std::string_view last_weights = "last.safetensors";
inline constexpr std::string_view best_weights = "best.safetensors";
/// What best.safetensors was before a part of an epoch was better; only a run that is resumed asks for it.
inline constexpr std::string_view best_epoch_weights = "best-epoch.safetensors";
inline constexpr std::string_view run_file = "run.safetensors";  // what a run is resumed from (run_state.h)

/// Makes `directory` if it is missing and proves that training can write its files there.
ir::Status prepare_output(const std::string& directory, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
