#include "runtime/cpu_target.h"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace nnc::runtime {

namespace {

/// In bytes; virtual machines do not always know their caches.
std::int64_t cache_bytes(int name, std::int64_t otherwise) {
  const long bytes = ::sysconf(name);
  return bytes > 0 ? bytes : otherwise;
}

/// Of a last-level cache no more belongs to a core: a virtual machine of two sees 300 MiB that dozens share.
constexpr std::int64_t most_of_a_core = std::int64_t{16} << 20;

/// The last-level cache as Linux knows it, in bytes: glibc counts that of all sockets.
std::int64_t last_level_bytes(std::int64_t otherwise) {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index3/size");
  std::int64_t kibibytes = 0;
  if (!(file >> kibibytes)) return otherwise;
  return std::min<std::int64_t>(kibibytes << 10, most_of_a_core * std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
}

class CpuTarget final : public ir::Target {
 public:
  CpuTarget(std::string name, int lanes, int threads, std::shared_ptr<Contractions> contractions)
      : name_(std::move(name)), lanes_(lanes), threads_(threads), contractions_(std::move(contractions)) {
    std::ranges::replace(name_, '-', '_');  // a word, as names in programs are
  }

  std::string name() const override { return name_; }
  int lanes() const override { return lanes_; }
  int threads() const override { return threads_; }
  std::int64_t l1_bytes() const override { return l1_bytes_; }
  std::int64_t l2_bytes() const override { return l2_bytes_; }
  std::int64_t l3_bytes() const override { return l3_bytes_; }
  bool reads_packed(const ir::OpView& packed_matmul) const override {
    return contractions_->reads_packed(packed_matmul, threads_);
  }
  std::int64_t contraction_scratch(const ir::OpView& op, int threads) const override {
    return contractions_->scratch_bytes(op, threads);
  }

 private:
  std::string name_;
  int lanes_, threads_;
  std::int64_t l1_bytes_ = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 << 10);
  std::int64_t l2_bytes_ = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 1 << 20);
  std::int64_t l3_bytes_ = last_level_bytes(l2_bytes_);
  std::shared_ptr<Contractions> contractions_;
};

}  // namespace

std::unique_ptr<ir::Target> cpu_target(std::string name, int lanes, int threads,
                                       std::shared_ptr<Contractions> contractions) {
  return std::make_unique<CpuTarget>(std::move(name), lanes, threads, std::move(contractions));
}

}  // namespace nnc::runtime
