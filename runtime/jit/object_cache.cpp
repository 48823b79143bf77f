#include "runtime/jit/object_cache.h"

#include <llvm/ADT/StringExtras.h>
#include <llvm/Support/CachePruning.h>
#include <llvm/Support/SHA256.h>

#include <fmt/format.h>

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>

namespace nnc::runtime::jit {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t most_bytes = std::uint64_t{512} << 20;
constexpr std::size_t digits = 64;

/// Of what a file holds, so that an object under another's name is none.
std::string sum_of(const std::string& key, std::string_view object) { return key_of({key, object}); }

/// Of a file that this user has made: code of others is not run.
std::optional<std::string> read_file(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid()) return {};
  std::ifstream file(path, std::ios::binary);
  if (!file) return {};
  std::ostringstream text;
  text << file.rdbuf();
  if (!file || !text) return {};
  return std::move(text).str();
}

}  // namespace

std::string key_of(std::initializer_list<std::string_view> parts) {
  llvm::SHA256 sum;
  for (const std::string_view part : parts) {
    sum.update(std::to_string(part.size()) + ":");
    sum.update(llvm::StringRef(part.data(), part.size()));
  }
  return llvm::toHex(sum.final(), /*LowerCase=*/true);
}

std::string ObjectCache::path_of(const std::string& key) const {
  return (fs::path(directory_) / ("llvmcache-" + key)).string();  // the prefix that LLVM's pruning looks for
}

std::optional<std::string> ObjectCache::find(const std::string& key) {
  std::optional<std::string> text = read_file(path_of(key));
  if (!text || text->size() < digits) return {};
  const std::string sum = text->substr(0, digits);
  text->erase(0, digits);
  if (sum != sum_of(key, *text)) return {};
  ++hits_;
  return text;
}

// Under a name of this writer's own first: renaming replaces what is there in one step.
void ObjectCache::keep(const std::string& key, std::string_view object) {
  std::error_code error;
  fs::create_directories(directory_, error);
  static std::atomic<std::size_t> written_here = 0;
  const std::string part = fmt::format("{}.{}.{}", path_of(key), getpid(), written_here++);
  kept_ = true;
  bool written = false;
  {
    std::ofstream file(part, std::ios::binary | std::ios::trunc);
    file << sum_of(key, object) << object;
    file.close();
    written = !file.fail();
  }
  if (written) fs::rename(part, path_of(key), error);
  if (!written || error) fs::remove(part, error);
}

ObjectCache::~ObjectCache() {
  if (!kept_) return;
  llvm::CachePruningPolicy policy;
  policy.MaxSizeBytes = most_bytes;
  policy.Expiration = std::chrono::weeks(1);
  policy.Interval = std::chrono::minutes(20);
  llvm::pruneCache(directory_, policy);
}

std::string default_cache_directory() {
  if (const char* const caches = std::getenv("XDG_CACHE_HOME"); caches != nullptr && *caches == '/')
    return (fs::path(caches) / "nnc").string();
  if (const char* const home = std::getenv("HOME"); home != nullptr && *home == '/')
    return (fs::path(home) / ".cache" / "nnc").string();
  return "";
}

}  // namespace nnc::runtime::jit
