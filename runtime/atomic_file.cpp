#include "runtime/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <system_error>
#include <utility>

namespace nnc::runtime {

namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }

  int fd() const { return fd_; }
  bool close() { return fd_ < 0 || ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

constexpr std::string_view suffix = ".part";  // behind the writer's process

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// The file under its name for the time being; errno says what went wrong.
bool write_beside(const std::string& name, std::span<const std::string_view> parts) {
  Descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.fd() < 0) return false;
  for (const std::string_view part : parts) {
    if (!write_all(file.fd(), part)) return false;
  }
  return ::fsync(file.fd()) == 0 && file.close();
}

/// Some file systems cannot sync a directory; what they keep is then up to them.
void sync_directory_of(const std::string& path) {
  const std::filesystem::path directory = std::filesystem::path(path).parent_path();
  const Descriptor opened(::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.fd() >= 0) ::fsync(opened.fd());
}

/// Puts the parts in place of the file; returns 0, or the errno of what went wrong.
int replace(const std::string& path, std::span<const std::string_view> parts) {
  const std::string beside = fmt::format("{}.{}{}", path, ::getpid(), suffix);
  if (write_beside(beside, parts) && ::rename(beside.c_str(), path.c_str()) == 0) {
    sync_directory_of(path);
    return 0;
  }
  const int fault = errno;
  ::unlink(beside.c_str());
  return fault;
}

std::string message_of(int fault) { return std::generic_category().message(fault); }

}  // namespace

ir::Status write_atomically(const std::string& path, std::initializer_list<std::string_view> parts,
                            ir::Diagnostics& diagnostics) {
  return write_atomically(path, std::span(parts.begin(), parts.size()), diagnostics);
}

ir::Status write_atomically(const std::string& path, std::span<const std::string_view> parts,
                            ir::Diagnostics& diagnostics) {
  const int fault = replace(path, parts);
  if (fault == 0) return ir::Status::ok;
  diagnostics.error({path, 0, 0}, fmt::format("cannot write it: {}", message_of(fault)));
  return ir::Status::failed;
}

void remove_leftovers(const std::string& path) {
  namespace fs = std::filesystem;
  const std::string before = fs::path(path).filename().string() + ".";
  std::error_code error;
  for (fs::directory_iterator entry(fs::path(path).parent_path(), error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(before) || !name.ends_with(suffix)) continue;
    const char* const last = name.data() + name.size() - suffix.size();
    pid_t writer = 0;
    const auto [read, fault] = std::from_chars(name.data() + before.size(), last, writer);
    const bool names_writer = fault == std::errc() && read == last && writer > 0;
    std::error_code ignored;  // it is only untidy
    if (names_writer && ::kill(writer, 0) != 0 && errno == ESRCH) fs::remove(entry->path(), ignored);
  }
}

ir::Status prepare_directory(const std::string& directory, std::string_view what, ir::Diagnostics& diagnostics) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::create_directories(directory, error);
  if (!fs::is_directory(directory)) {
    const std::string why = error ? error.message() : "it is not a directory";
    diagnostics.error({directory, 0, 0}, fmt::format("cannot make the {}: {}", what, why));
    return ir::Status::failed;
  }
  const std::string probe = (fs::path(directory) / fmt::format(".probe.{}", ::getpid())).string();
  constexpr std::string_view content = "writable";
  if (const int fault = replace(probe, {&content, 1}); fault != 0) {
    diagnostics.error({directory, 0, 0}, fmt::format("cannot write to the {}: {}", what, message_of(fault)));
    return ir::Status::failed;
  }
  fs::remove(probe, error);
  return ir::Status::ok;
}

}  // namespace nnc::runtime
