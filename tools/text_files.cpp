#include "tools/text_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace nnc::tools {
namespace {

// A file this long is no program; the limit keeps a wrong path from filling the memory.
constexpr std::size_t max_bytes = std::size_t{1} << 30;

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() {
    if (fd_ > STDERR_FILENO) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

ir::Status cannot_write(const std::string& name, ir::Diagnostics& diagnostics) {
  const std::string reason = std::strerror(errno);
  diagnostics.error(fmt::format("cannot write {}: {}", name, reason));
  return ir::Status::failed;
}

ir::Status write_whole(const std::string& path, std::string_view text, ir::Diagnostics& diagnostics) {
  std::string temporary = path + ".XXXXXX";
  const FileDescriptor file{::mkstemp(temporary.data())};
  if (file.get() < 0) return cannot_write(path, diagnostics);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  const bool done = write_all(file.get(), text) && ::fchmod(file.get(), 0666 & ~mask) == 0 &&
                    ::fsync(file.get()) == 0 && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (done) return ir::Status::ok;
  const ir::Status status = cannot_write(path, diagnostics);
  ::unlink(temporary.c_str());
  return status;
}

}  // namespace

std::optional<TextFile> read_text(const std::string& path, ir::Diagnostics& diagnostics) {
  const bool standard = path == "-";
  const std::string name = standard ? "<stdin>" : path;
  const auto failed = [&](std::string_view reason) {
    diagnostics.error(fmt::format("cannot read {}: {}", name, reason));
    return std::nullopt;
  };
  const FileDescriptor file{standard ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.get() < 0) return failed(std::strerror(errno));
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return failed(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) return failed("it is a directory, expected a file");
  if (!standard && !S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode)) return failed("it is not a file");
  std::string text;
  std::string chunk(1 << 16, '\0');
  for (;;) {
    const ssize_t count = ::read(file.get(), chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failed(std::strerror(errno));
    if (count == 0) break;
    text.append(chunk, 0, static_cast<std::size_t>(count));
    if (text.size() > max_bytes) return failed("it is longer than a program can be (1 GiB)");
  }
  if (text.empty()) return failed("it is empty");
  return TextFile{name, std::move(text)};
}

ir::Status write_text(const std::string& path, std::string_view text, ir::Diagnostics& diagnostics) {
  if (path.empty()) {
    return write_all(STDOUT_FILENO, text) ? ir::Status::ok : cannot_write("standard output", diagnostics);
  }
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    // A terminal, a pipe, /dev/null: nothing to be replaced as a whole.
    const FileDescriptor file{::open(path.c_str(), O_WRONLY | O_CLOEXEC)};
    return file.get() >= 0 && write_all(file.get(), text) ? ir::Status::ok : cannot_write(path, diagnostics);
  }
  return write_whole(path, text, diagnostics);
}

}  // namespace nnc::tools
