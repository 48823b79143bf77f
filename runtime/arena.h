// The memory of a training run: one block for slots, values and scratch, mapped once and zeroed.
#pragma once

#include <cstddef>
#include <memory>

namespace nnc::runtime {

class Arena {
 public:
  /// Throws std::bad_alloc if there is not so much memory.
  explicit Arena(std::size_t bytes);

  std::byte* begin() { return memory_.get(); }
  const std::byte* begin() const { return memory_.get(); }
  std::size_t bytes() const { return memory_.get_deleter().bytes; }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Unmap> memory_;
};

}  // namespace nnc::runtime
