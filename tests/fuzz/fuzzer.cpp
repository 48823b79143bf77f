// One libFuzzer executable an entry: NNC_FUZZ_ENTRY names it.
#include "tests/fuzz/entries.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const nnc::fuzz::Entry& entry = nnc::fuzz::entry(NNC_FUZZ_ENTRY);
  entry.run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
