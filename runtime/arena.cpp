#include "runtime/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace nnc::runtime {

Arena::Arena(std::size_t bytes) {
  const std::size_t mapped = std::max<std::size_t>(bytes, 1);
  void* memory = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  // Large pages save misses of the translation buffer; without them everything works as well.
  ::madvise(memory, mapped, MADV_HUGEPAGE);
  memory_ = std::unique_ptr<std::byte, Unmap>(static_cast<std::byte*>(memory), Unmap{mapped});
}

void Arena::Unmap::operator()(std::byte* memory) const { ::munmap(memory, bytes); }

}  // namespace nnc::runtime
