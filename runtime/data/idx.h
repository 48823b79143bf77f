// IDX files, as MNIST and its relatives come: a directory with
//
//   train-images-idx3-ubyte   train-labels-idx1-ubyte   t10k-images-idx3-ubyte   t10k-labels-idx1-ubyte
//
// plain or as .gz (`images.idx3` for `images-idx3` too). Field `image` is the images, field `label` the labels. A file
// is two zero bytes, a type code, the number of dimensions, the dimensions as big-endian u32 (examples first), then
// big-endian elements and nothing after them.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "runtime/data/dataset.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::runtime {

inline constexpr std::string_view idx_train = "train";
inline constexpr std::string_view idx_test = "t10k";

/// Whether one of `names` (a directory's entries) is an IDX file; of `part`, if that is not empty.
bool has_idx(const std::vector<std::string>& names, std::string_view part = "");

/// Reads `part` of a directory whose entries are `names`: the files that `fields` name, and only those.
std::optional<Dataset> read_idx(const std::string& directory, const std::vector<std::string>& names,
                                std::string_view part, const std::vector<ir::DataField>& fields,
                                ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
