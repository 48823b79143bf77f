// Files of the project as text.
#pragma once

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace nnc::tests {

/// Of a path below the project's folder.
inline std::string project_file(const std::filesystem::path& path) {
  std::ifstream file(std::filesystem::path(NNC_SOURCE_DIR) / path, std::ios::binary);
  INFO(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace nnc::tests
