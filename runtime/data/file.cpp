#include "runtime/data/file.h"

#include "ir/utf8.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

namespace nnc::runtime {

namespace {

std::string system_message() { return std::generic_category().message(errno); }

/// A zlib stream; ended with its scope.
struct InflateStream {
  z_stream z{};
  bool ready;
  explicit InflateStream(Wrapping wrapping)
      : ready(inflateInit2(&z, wrapping == Wrapping::gzip ? 16 + MAX_WBITS : -MAX_WBITS) == Z_OK) {}
  InflateStream(const InflateStream&) = delete;
  InflateStream& operator=(const InflateStream&) = delete;
  ~InflateStream() {
    if (ready) inflateEnd(&z);
  }
};

}  // namespace

ir::SourcePoint whole_file(std::string path) { return {std::move(path), 0, 0}; }

std::optional<InputFile> InputFile::open(std::string path, ir::Diagnostics& diagnostics) {
  const auto failed = [&](const std::string& what) {
    diagnostics.error(whole_file(path), what);
    return std::nullopt;
  };
  // Opening a pipe would wait for a writer: look at what the path is first.
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return failed(fmt::format("cannot read it: {}", system_message()));
  if (S_ISDIR(status.st_mode)) return failed("expected a file, found a directory");
  if (!S_ISREG(status.st_mode)) return failed("expected a file, found a device, pipe or socket");
  if (status.st_size == 0) return failed("the file is empty");
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return failed(fmt::format("cannot read it: {}", system_message()));
  return InputFile(std::move(path), fd, static_cast<std::size_t>(status.st_size));
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), size_(other.size_) {}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

std::optional<std::size_t> InputFile::read(std::size_t offset, std::span<std::byte> into,
                                           ir::Diagnostics& diagnostics) const {
  std::size_t filled = 0;
  while (filled < into.size()) {
    const ssize_t count = ::pread(fd_, into.data() + filled, into.size() - filled, static_cast<off_t>(offset + filled));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      diagnostics.error(whole_file(path_), fmt::format("cannot read it: {}", system_message()));
      return std::nullopt;
    }
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  return filled;
}

std::optional<std::string> read_file(const std::string& path, ir::Diagnostics& diagnostics) {
  const std::optional<InputFile> file = InputFile::open(path, diagnostics);
  if (!file) return std::nullopt;
  const auto memory =
      static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  if (file->size() > memory) {
    diagnostics.error(whole_file(path),
                      fmt::format("the file has {} bytes, more than this machine's memory", file->size()));
    return std::nullopt;
  }
  std::string bytes(file->size(), '\0');
  const std::optional<std::size_t> count = file->read(0, std::as_writable_bytes(std::span(bytes)), diagnostics);
  if (!count) return std::nullopt;
  bytes.resize(*count);
  if (!bytes.empty()) return bytes;
  diagnostics.error(whole_file(path), "the file is empty");
  return std::nullopt;
}

Inflated inflate(std::string_view compressed, std::size_t limit, Wrapping wrapping) {
  constexpr std::size_t most_at_once = std::size_t{1} << 24;
  Inflated out;
  InflateStream stream(wrapping);
  const std::string_view kind = wrapping == Wrapping::gzip ? "gzip" : "deflate";
  if (!stream.ready) {
    out.problem = "no memory to decompress it";
    return out;
  }
  stream.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  std::size_t left = compressed.size();  // not yet handed to zlib, whose counts are 32 bits
  std::size_t filled = 0;
  char beyond = 0;  // room for the one byte that shows that there are more
  for (;;) {
    if (stream.z.avail_in == 0) {
      stream.z.avail_in = static_cast<uInt>(std::min(left, most_at_once));
      left -= stream.z.avail_in;
    }
    const bool full = filled == limit;
    const std::size_t room = full ? 1 : std::min(limit - filled, most_at_once);
    if (!full && out.bytes.size() < filled + room) out.bytes.resize(filled + room);
    stream.z.next_out = reinterpret_cast<Bytef*>(full ? &beyond : out.bytes.data() + filled);
    stream.z.avail_out = static_cast<uInt>(room);
    const int result = ::inflate(&stream.z, Z_NO_FLUSH);
    const std::size_t made = room - stream.z.avail_out;
    if (full && made > 0) {
      out.more = true;
      break;
    }
    filled += made;
    if (result == Z_STREAM_END) {
      if (stream.z.avail_in == 0 && left == 0) break;
      if (wrapping == Wrapping::none) {
        out.problem = "there are bytes after the deflate stream";
        break;
      }
      if (inflateReset(&stream.z) == Z_OK) continue;  // the next member
    }
    if (result == Z_BUF_ERROR && stream.z.avail_in == 0 && left == 0) {
      out.problem = fmt::format("the {} stream is truncated", kind);
      break;
    }
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      const bool begun = filled > 0 || stream.z.total_in > 2 || wrapping == Wrapping::none;
      out.problem =
          begun ? fmt::format("the {} stream is corrupted ({})", kind, stream.z.msg ? stream.z.msg : "zlib failed")
                : "not a gzip file, as its name says";
      break;
    }
  }
  out.bytes.resize(filled);
  return out;
}

int count_line_ends(std::string_view text, std::size_t begin, std::size_t end) {
  int lines = 0;
  for (std::size_t i = begin; i < end; ++i) {
    if (text[i] == '\n' || (text[i] == '\r' && !text.substr(i + 1).starts_with('\n'))) ++lines;
  }
  return lines;
}

ir::SourcePoint place_in_text(const std::string& path, std::string_view text, std::size_t offset, int lines,
                              ir::Diagnostics& diagnostics) {
  const std::size_t before = offset == 0 ? std::string_view::npos : text.find_last_of("\r\n", offset - 1);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  const std::size_t end = std::min(text.find_first_of("\r\n", offset), text.size());
  diagnostics.add_line(path, lines + 1, printable(text.substr(begin, end - begin), offset - begin + shown_after));
  return {path, lines + 1, static_cast<int>(offset - begin) + 1};
}

std::string printable(std::string_view text, std::size_t most) {
  std::string out = ir::printable_text(text.substr(0, most));
  std::ranges::replace(out, '\t', ' ');
  if (text.size() > most) out += "...";
  return out;
}

}  // namespace nnc::runtime
