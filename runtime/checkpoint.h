// Weights on disk, as safetensors: an 8-byte length, a JSON header, then raw row-major little-endian elements. A file
// is written beside its final name, synced and renamed, so that a reader finds the old file or the new one, whole.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "ir/tensor.h"
#include "runtime/data/dataset.h"
#include "runtime/executor.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::runtime {

using NamedTensors = std::map<std::string, ir::Tensor>;

/// Texts that a file holds beside its tensors.
using Metadata = std::map<std::string, std::string>;

/// Any well-formed safetensors file of dtypes that ours has; everything broken about the file is an error that names
/// it.
std::optional<NamedTensors> read_safetensors(const std::string& path, ir::Diagnostics& diagnostics,
                                             Metadata* metadata = nullptr);
ir::Status write_safetensors(const std::string& path, const NamedTensors& tensors, ir::Diagnostics& diagnostics,
                             const Metadata& metadata = {});

/// The slots that a user calls weights (parameters and statistics), plain f32, by path.
NamedTensors weights(const ir::Module& module, const Executor& executor);
/// Replaces parameters and statistics by the file's: every parameter must be there with its shape; unknown names are
/// errors, with the near name.
ir::Status load_weights(const std::string& path, const ir::Module& module, Executor& executor,
                        ir::Diagnostics& diagnostics);
/// The same without a change: whether the file has what the module needs.
ir::Status check_weights(const std::string& path, const ir::Module& module, ir::Diagnostics& diagnostics);

/// What the values of data fields stand for (Column::symbols), a JSON array by field: kept beside the weights, which mean
/// nothing without it. Empty if they stand for themselves.
Metadata symbol_tables(const Dataset& data);
/// Whether the data's fields mean what they meant to the file's weights, as far as the file says so.
ir::Status check_symbols(const std::string& path, const Dataset& data, ir::Diagnostics& diagnostics);

/// What training writes to its output directory.
inline constexpr std::string_view last_weights = "last.safetensors";
inline constexpr std::string_view best_weights = "best.safetensors";

/// Makes `directory` if it is missing and proves that training can write its files there.
ir::Status prepare_output(const std::string& directory, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
