// Files named by the user: missing, unreadable, empty or not a regular file are errors that name the path.
#pragma once

#include "ir/diagnostics.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace nnc::runtime {

/// The place of an error about a file as a whole: `FILE: error: ...`.
ir::SourcePoint whole_file(std::string path);

/// A file that is open for reading.
class InputFile {
 public:
  static std::optional<InputFile> open(std::string path, ir::Diagnostics& diagnostics);
  InputFile(InputFile&& other) noexcept;
  ~InputFile();

  const std::string& path() const { return path_; }
  /// When it was opened; not 0.
  std::size_t size() const { return size_; }
  /// Reads what begins at `offset`, and gives the number of bytes that were there: fewer at the end of the file, which
  /// may have been shortened since. Nothing after an error.
  std::optional<std::size_t> read(std::size_t offset, std::span<std::byte> into, ir::Diagnostics& diagnostics) const;

 private:
  InputFile(std::string path, int fd, std::size_t size) : path_(std::move(path)), fd_(fd), size_(size) {}

  std::string path_;
  int fd_;
  std::size_t size_;
};

std::optional<std::string> read_file(const std::string& path, ir::Diagnostics& diagnostics);

/// How a deflate stream is wrapped: a gzip stream of one or more members, or not at all.
enum class Wrapping { gzip, none };
/// No deflate stream holds more than so many times its own bytes (the exact bound is 1032).
inline constexpr std::int64_t most_inflation = 1040;

/// What came out of a deflate stream.
struct Inflated {
  std::string bytes;
  bool more = false;    // there are bytes beyond the limit
  std::string problem;  // what is wrong with the stream, after `bytes`; empty: nothing up to the limit
};

/// Decompresses up to `limit` bytes, so that a small file cannot fill the memory.
Inflated inflate(std::string_view compressed, std::size_t limit, Wrapping wrapping);

/// Line ends (`\n`, `\r\n`, `\r`) in [begin, end) of a text.
int count_line_ends(std::string_view text, std::size_t begin, std::size_t end);
/// The place of `offset` in a text, which `lines` line ends precede; registers its line, so that an error can show it.
ir::SourcePoint place_in_text(const std::string& path, std::string_view text, std::size_t offset, int lines,
                              ir::Diagnostics& diagnostics);
/// Characters of a line shown after a place.
inline constexpr std::size_t shown_after = 60;

/// Bytes of a file for a message: at most `most` of them, those that do not print as `?`.
std::string printable(std::string_view text, std::size_t most);

}  // namespace nnc::runtime
