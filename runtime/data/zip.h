// ZIP archives, as far as NPZ files use them: members stored or deflated, ZIP64, one file, no encryption.
//
// The directory at the archive's end says what there is; each member's own header must agree in name, and its checksum
// is checked when it is unpacked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::runtime {

struct ZipMember {
  std::string name;
  int method = 0;
  bool encrypted = false;
  std::uint32_t checksum = 0;
  std::uint64_t packed = 0, size = 0;  // bytes in the file, unpacked
  std::uint64_t header = 0;            // where its own header lies
};

/// The members, in the directory's order, or nothing and a `problem`.
std::optional<std::vector<ZipMember>> zip_members(std::string_view file, std::string& problem);

/// A member's bytes, all of them, or nothing and a `problem`.
std::optional<std::string> unpack(std::string_view file, const ZipMember& member, std::string& problem);

}  // namespace nnc::runtime
