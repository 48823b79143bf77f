// Compiled kernels on disk: found again, never believed when damaged, written by several at once.
#include "runtime/jit/object_cache.h"
#include "tests/unit/jit_kernel.h"
#include "tests/unit/temp_directory.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

using namespace nnc;
using namespace nnc::ir;
using runtime::jit::ObjectCache;
using tests::FusedOp;

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_in(const std::string& directory) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory))
    if (entry.path().filename() != "llvmcache.timestamp") files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

std::string content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::move(text).str();
}

void overwrite(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

constexpr double factor = 3;

/// sum(x * factor) by a split reduction, so that it has code to finish as well; and x + factor.
Kernel scaled_sum() {
  FusedOp op({64});
  const Expr x = op.read(DType::f32, {.strides = {1}});
  op.write(op.builder().sum(x * factor, {0}, true));
  op.write(x + factor);
  return op.kernel({.parallel = {0}, .chunk = 32, .vector = 0, .lanes = 8});
}

/// Compiles with the cache, runs, and checks what comes out.
void check_compiled(ObjectCache* cache, const runtime::jit::Cpu& cpu = runtime::jit::avx2_cpu()) {
  const Kernel kernel = scaled_sum();
  const auto kernels = runtime::jit::compile(std::span(&kernel, 1), cpu, cache);
  const runtime::KernelCode code = kernels->code(0);
  REQUIRE(code.run != nullptr);
  REQUIRE(code.finish != nullptr);
  alignas(64) float x[64], sum = 0, y[64], partials[2][16];
  for (int i = 0; i < 64; ++i) x[i] = static_cast<float>(i);
  void* args[] = {x, &sum, y, const_cast<void*>(code.parameters)};
  alignas(64) std::byte rows[4096];
  for (int chunk = 0; chunk < 2; ++chunk) code.run(args, chunk * 32, chunk * 32 + 32, partials[chunk], rows);
  code.finish(args, partials, 2);
  CHECK(sum == 63 * 64 / 2 * factor);
  CHECK(y[63] == 63 + factor);
}

}  // namespace

TEST_CASE("a kernel that was compiled before is found on disk, and runs the same") {
  const test::TempDirectory directory;
  const std::string folder = directory.path() + "/made/when/needed";
  {
    ObjectCache cache(folder);
    check_compiled(&cache);
    CHECK(cache.hits() == 0);
    check_compiled(&cache);
    CHECK(cache.hits() == 1);
  }
  ObjectCache cache(folder);
  check_compiled(&cache);
  CHECK(cache.hits() == 1);
  CHECK(files_in(folder).size() == 1);
  // Another CPU has other code.
  check_compiled(&cache, runtime::jit::Cpu{"x86-64-v3", "+fma,-avx512f", 8});
  CHECK(cache.hits() == 1);
  CHECK(files_in(folder).size() == 2);
}

TEST_CASE("a damaged object is compiled anew, and replaced") {
  const test::TempDirectory directory;
  ObjectCache cache(directory.path());
  check_compiled(&cache);
  const fs::path file = files_in(directory.path()).at(0);
  const std::string good = content(file);
  std::vector<std::string> damaged = {"", good.substr(0, 10), good.substr(0, 64), good.substr(0, good.size() - 1),
                                      good + "x"};
  for (const std::size_t at : {std::size_t{0}, std::size_t{64}, good.size() / 2, good.size() - 1}) {
    damaged.push_back(good);
    damaged.back()[at] ^= 1;
  }
  for (const std::string& text : damaged) {
    INFO(text.size() << " bytes of " << good.size());
    overwrite(file, text);
    const std::size_t hits = cache.hits();
    check_compiled(&cache);
    CHECK(cache.hits() == hits);
    CHECK(content(file) == good);
  }
}

TEST_CASE("an object under another kernel's name is none") {
  const test::TempDirectory directory;
  ObjectCache cache(directory.path());
  cache.keep("one", "code");
  REQUIRE(cache.find("one") == "code");
  fs::copy(directory.path() + "/llvmcache-one", directory.path() + "/llvmcache-two");
  CHECK_FALSE(cache.find("two"));
}

TEST_CASE("where nothing can be kept, kernels are compiled all the same") {
  const test::TempDirectory directory;
  overwrite(directory.path() + "/file", "");
  ObjectCache cache(directory.path() + "/file/below");
  check_compiled(&cache);
  check_compiled(&cache);
  CHECK(cache.hits() == 0);
  // A directory where the object should be.
  ObjectCache blocked(directory.path());
  blocked.keep("one", "code");
  fs::remove(directory.path() + "/llvmcache-one");
  fs::create_directories(directory.path() + "/llvmcache-one/below");
  blocked.keep("one", "code");
  CHECK_FALSE(blocked.find("one"));
  CHECK(files_in(directory.path()).size() == 2);  // nothing half written stays
}

TEST_CASE("several writers and readers of one object see all of it or nothing") {
  const test::TempDirectory directory;
  const std::string object(1 << 20, 'x');
  std::vector<pid_t> processes;
  for (int p = 0; p < 4; ++p) {
    const pid_t process = fork();
    REQUIRE(process >= 0);
    if (process > 0) {
      processes.push_back(process);
      continue;
    }
    int torn = 0;
    try {
      ObjectCache cache(directory.path());
      for (int i = 0; i < 20; ++i) {
        if (p % 2 == 0) cache.keep("one", object);
        const std::optional<std::string> found = cache.find("one");
        if (found && *found != object) ++torn;
      }
    } catch (...) {
      torn = 100;
    }
    _exit(torn);
  }
  for (const pid_t process : processes) {
    int status = -1;
    REQUIRE(waitpid(process, &status, 0) == process);
    CHECK(status == 0);
  }
  CHECK(ObjectCache(directory.path()).find("one") == object);
  CHECK(files_in(directory.path()).size() == 1);
}

TEST_CASE("what was not used for a week goes when something is kept") {
  const test::TempDirectory directory;
  {
    ObjectCache cache(directory.path());
    cache.keep("old", "code");
    cache.keep("used", "code");
    const auto long_ago = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() - std::chrono::days(8));
    const timespec times[] = {{long_ago, 0}, {long_ago, 0}};  // of the last access, and of the last change
    REQUIRE(utimensat(AT_FDCWD, (directory.path() + "/llvmcache-old").c_str(), times, 0) == 0);
  }
  ObjectCache cache(directory.path());
  CHECK_FALSE(cache.find("old"));
  CHECK(cache.find("used") == "code");
}

TEST_CASE("kernels are kept where the user's programs keep such things") {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::optional<std::string>() : value;
  };
  const auto set = [](const char* name, const std::optional<std::string>& value) {
    REQUIRE((value ? setenv(name, value->c_str(), 1) : unsetenv(name)) == 0);
  };
  const std::optional<std::string> caches = variable("XDG_CACHE_HOME"), home = variable("HOME");
  set("XDG_CACHE_HOME", "/var/caches");
  set("HOME", "/home/me");
  CHECK(runtime::jit::default_cache_directory() == "/var/caches/nnc");
  set("XDG_CACHE_HOME", "relative");
  CHECK(runtime::jit::default_cache_directory() == "/home/me/.cache/nnc");
  set("XDG_CACHE_HOME", std::nullopt);
  CHECK(runtime::jit::default_cache_directory() == "/home/me/.cache/nnc");
  set("HOME", std::nullopt);
  CHECK(runtime::jit::default_cache_directory().empty());
  set("XDG_CACHE_HOME", caches);
  set("HOME", home);
}
