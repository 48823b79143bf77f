// Files that appear whole or not at all: written beside their final name, synced, renamed over it, and the directory
// synced, so that not even a power cut leaves half a file.
#pragma once

#include "ir/diagnostics.h"

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace nnc::runtime {

/// Writes the parts one after the other; on failure the file that was there stays as it was.
ir::Status write_atomically(const std::string& path, std::span<const std::string_view> parts,
                            ir::Diagnostics& diagnostics);
ir::Status write_atomically(const std::string& path, std::initializer_list<std::string_view> parts,
                            ir::Diagnostics& diagnostics);

/// Removes what writers of the file that were killed left beside it: those whose process this machine does not have.
void remove_leftovers(const std::string& path);

/// Makes the directory if it is missing and proves that files can be written there; `what` it is for errors.
ir::Status prepare_directory(const std::string& directory, std::string_view what, ir::Diagnostics& diagnostics);

}  // namespace nnc::runtime
