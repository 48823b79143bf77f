// Texts and token files: one long sequence, cut into windows.
//
//   "abcabd", chars(4)[2]      ->   ab ca bd    ids 0 1 2 0 1 3: the file's distinct bytes in ascending order
//   u16 7 5 5 9 3, tokens(10)[2]  ->   7 5 5 9    windows do not overlap, the rest is dropped
//
// A character is a byte. The table of a text comes from the whole file, before any split; validation data is read by the
// training data's table. A token file is little-endian u16 without a header, each below the vocabulary.
#pragma once

#include "ir/diagnostics.h"
#include "ir/module.h"
#include "runtime/data/dataset.h"

#include <optional>
#include <string>

namespace nnc::runtime {

/// `training`: the data whose table of characters reads this text; null: the text has its own.
std::optional<Dataset> read_text(const std::string& path, const ir::DataField& field, const Dataset* training,
                                 ir::Diagnostics& diagnostics);
std::optional<Dataset> read_tokens(const std::string& path, const ir::DataField& field, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
