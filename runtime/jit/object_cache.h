// Compiled kernels on disk, so that a program compiles once on a machine.
//
//   <directory>/llvmcache-<key>      a SHA-256 sum, then the object file
//
// A file appears whole or not at all, and one that was damaged since is as one that is missing: processes may read and
// write the same directory at once. Files that were not used for a week go, and the oldest
// where all take more than 512 MiB; both are looked for every 20 minutes at most.
#pragma once

#include <atomic>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace nnc::runtime::jit {

class ObjectCache {
 public:
  /// Of a directory, made with the first object that is kept. One that cannot be written keeps nothing.
  explicit ObjectCache(std::string directory) : directory_(std::move(directory)) {}
  /// Removes what is too old or too much.
  ~ObjectCache();
  ObjectCache(const ObjectCache&) = delete;
  ObjectCache& operator=(const ObjectCache&) = delete;

  // Both from any thread.
  std::optional<std::string> find(const std::string& key);
  void keep(const std::string& key, std::string_view object);

  /// The objects that were found.
  std::size_t hits() const { return hits_; }

 private:
  std::string path_of(const std::string& key) const;

  std::string directory_;
  std::atomic<std::size_t> hits_ = 0;
  std::atomic<bool> kept_ = false;
};

/// 64 hexadecimal digits: the SHA-256 sum of the parts, each with its length.
std::string key_of(std::initializer_list<std::string_view> parts);

/// Where users' programs keep what they can make again: nnc's folder in $XDG_CACHE_HOME, or in .cache of $HOME. Empty
/// where neither is an absolute path.
std::string default_cache_directory();

}  // namespace nnc::runtime::jit
