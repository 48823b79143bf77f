// Reading an archive, which may be anything:
//
//  1. The end record is the last of its kind whose comment reaches exactly to the file's end.
//  2. Its directory must lie before it, and hold as many entries as it says and nothing else.
//  3. A member's sizes and offsets must lie within the file, and its size be one that deflate can reach.
//  4. What is unpacked must have that size and the entry's checksum.
#include "runtime/data/zip.h"

#include "runtime/data/file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <set>

namespace nnc::runtime {

namespace {

constexpr std::uint32_t end_mark = 0x06054b50, end64_mark = 0x06064b50, locator_mark = 0x07064b50;
constexpr std::uint32_t entry_mark = 0x02014b50, member_mark = 0x04034b50;
constexpr std::size_t end_size = 22, end64_size = 56, locator_size = 20, entry_size = 46, member_size = 30;
constexpr std::size_t longest_comment = 0xffff;
constexpr std::uint32_t in_zip64 = 0xffffffff;  // a field that the ZIP64 record has instead
constexpr std::uint16_t zip64_extra = 1;
constexpr int stored = 0, deflated = 8;

/// Little-endian numbers at places that were checked to lie in the file.
class Bytes {
 public:
  explicit Bytes(std::string_view file) : file_(file) {}
  std::uint16_t u16(std::size_t at) const { return static_cast<std::uint16_t>(number(at, 2)); }
  std::uint32_t u32(std::size_t at) const { return static_cast<std::uint32_t>(number(at, 4)); }
  std::uint64_t u64(std::size_t at) const { return number(at, 8); }
  /// Whether `size` bytes at `at` lie before `end`.
  static bool within(std::uint64_t at, std::uint64_t size, std::uint64_t end) { return at <= end && size <= end - at; }

 private:
  std::uint64_t number(std::size_t at, std::size_t size) const {
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;) value = value << 8 | static_cast<unsigned char>(file_.at(at + i));
    return value;
  }
  std::string_view file_;
};

struct Directory {
  std::uint64_t offset = 0, size = 0, entries = 0;
  std::uint64_t end = 0;  // where the record that describes it begins
};

std::optional<Directory> find_directory(std::string_view file, std::string& problem) {
  const Bytes bytes(file);
  const std::size_t last = file.size() < end_size ? 0 : file.size() - end_size;
  const std::size_t first = last > longest_comment ? last - longest_comment : 0;
  std::optional<std::size_t> found;
  for (std::size_t at = last + 1; file.size() >= end_size && at-- > first && !found;) {
    if (bytes.u32(at) == end_mark && at + end_size + bytes.u16(at + 20) == file.size()) found = at;
  }
  if (!found) {
    problem = file.starts_with("PK") ? "the zip archive has no directory at its end: it is truncated"
                                     : "expected a zip archive, found a file of another kind";
    return std::nullopt;
  }
  const std::size_t at = *found;
  Directory directory{bytes.u32(at + 16), bytes.u32(at + 12), bytes.u16(at + 10), at};
  if (bytes.u16(at + 4) != 0 || bytes.u16(at + 6) != 0) {
    problem = "the zip archive is one of several files that belong together";
    return std::nullopt;
  }
  if (at >= locator_size && bytes.u32(at - locator_size) == locator_mark) {
    const std::uint64_t end64 = bytes.u64(at - locator_size + 8);
    if (!Bytes::within(end64, end64_size, at - locator_size) || bytes.u32(end64) != end64_mark) {
      problem = "the zip archive's end is corrupted";
      return std::nullopt;
    }
    directory = {bytes.u64(end64 + 48), bytes.u64(end64 + 40), bytes.u64(end64 + 32), end64};
  }
  if (!Bytes::within(directory.offset, directory.size, directory.end)) {
    problem = fmt::format("the zip archive's directory, {} bytes at {}, does not lie in the file", directory.size,
                          directory.offset);
    return std::nullopt;
  }
  return directory;
}

/// Replaces the sizes and the offset that the entry leaves to its ZIP64 record; false if that is broken.
bool read_zip64(const Bytes& bytes, std::size_t at, std::size_t end, ZipMember& member) {
  if (member.size != in_zip64 && member.packed != in_zip64 && member.header != in_zip64) return true;
  while (end - at >= 4) {
    const std::uint16_t id = bytes.u16(at), length = bytes.u16(at + 2);
    at += 4;
    if (length > end - at) return false;
    if (id != zip64_extra) {
      at += length;
      continue;
    }
    const std::size_t stop = at + length;
    for (std::uint64_t* value : {&member.size, &member.packed, &member.header}) {
      if (*value != in_zip64) continue;
      if (stop - at < 8) return false;
      *value = bytes.u64(at);
      at += 8;
    }
    return true;
  }
  return false;
}

}  // namespace

std::optional<std::vector<ZipMember>> zip_members(std::string_view file, std::string& problem) {
  const std::optional<Directory> directory = find_directory(file, problem);
  if (!directory) return std::nullopt;
  const auto corrupted = [&](std::size_t at) {
    problem = fmt::format("the zip archive's directory is corrupted at byte {}", at);
    return std::nullopt;
  };
  const Bytes bytes(file);
  std::vector<ZipMember> members;
  std::set<std::string> names;
  std::size_t at = directory->offset;
  const std::size_t end = directory->offset + directory->size;
  while (at < end) {
    if (!Bytes::within(at, entry_size, end) || bytes.u32(at) != entry_mark) return corrupted(at);
    const std::size_t name = bytes.u16(at + 28), extra = bytes.u16(at + 30), comment = bytes.u16(at + 32);
    if (!Bytes::within(at + entry_size, name + extra + comment, end)) return corrupted(at);
    ZipMember member;
    member.name = file.substr(at + entry_size, name);
    member.encrypted = (bytes.u16(at + 8) & 1) != 0;
    member.method = bytes.u16(at + 10);
    member.checksum = bytes.u32(at + 16);
    member.packed = bytes.u32(at + 20);
    member.size = bytes.u32(at + 24);
    member.header = bytes.u32(at + 42);
    const std::size_t extras = at + entry_size + name;
    if (!read_zip64(bytes, extras, extras + extra, member)) return corrupted(at);
    if (!names.insert(member.name).second) {
      problem = fmt::format("the zip archive has `{}` twice", printable(member.name, 200));
      return std::nullopt;
    }
    members.push_back(std::move(member));
    at += entry_size + name + extra + comment;
  }
  if (members.size() != directory->entries) {
    problem = fmt::format("the zip archive says that it has {} members, but its directory has {}", directory->entries,
                          members.size());
    return std::nullopt;
  }
  return members;
}

std::optional<std::string> unpack(std::string_view file, const ZipMember& member, std::string& problem) {
  const auto failed = [&](std::string what) {
    problem = std::move(what);
    return std::nullopt;
  };
  const Bytes bytes(file);
  if (member.encrypted) return failed("it is encrypted");
  if (member.method != stored && member.method != deflated) {
    return failed(fmt::format("it is compressed by method {}, expected stored (0) or deflated (8)", member.method));
  }
  if (!Bytes::within(member.header, member_size, file.size()) || bytes.u32(member.header) != member_mark) {
    return failed(fmt::format("its header, at byte {}, is corrupted", member.header));
  }
  const std::size_t name = bytes.u16(member.header + 26), extra = bytes.u16(member.header + 28);
  const std::size_t data = member.header + member_size + name + extra;
  if (!Bytes::within(data, member.packed, file.size())) {
    return failed(fmt::format("its {} bytes do not lie in the file", member.packed));
  }
  if (file.substr(member.header + member_size, name) != member.name) {
    return failed("its header has another name than the archive's directory");
  }
  const std::string_view packed = file.substr(data, member.packed);

  std::string out;
  if (member.method == stored) {
    if (member.size != member.packed) return failed("it is stored, but its two sizes differ");
    out = packed;
  } else {
    if (member.size / most_inflation > member.packed) {
      return failed(fmt::format("it says that it has {} bytes, which {} compressed ones cannot hold", member.size,
                                member.packed));
    }
    Inflated inflated = inflate(packed, member.size, Wrapping::none);
    if (!inflated.problem.empty()) return failed(std::move(inflated.problem));
    if (inflated.more || inflated.bytes.size() != member.size) {
      return failed(fmt::format("it says that it has {} bytes, but there are {}", member.size,
                                inflated.more ? "more" : fmt::format("{}", inflated.bytes.size())));
    }
    out = std::move(inflated.bytes);
  }
  const auto checksum = static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(out.data()), out.size()));
  if (checksum != member.checksum) {
    return failed(fmt::format("its checksum is {:08x}, expected {:08x}: it is corrupted", checksum, member.checksum));
  }
  return out;
}

}  // namespace nnc::runtime
