// What reads text and files from outside, each as one function of bytes for a fuzzer. An entry returns whether the bytes
// were accepted; it must not crash, hang, leave a failure unreported, or read what does not print back as it was.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nnc::fuzz {

struct Entry {
  std::string name;  // "nn"
  bool (*run)(std::string_view bytes);
  std::vector<std::string> (*corpus)();  // inputs to start from
  bool text = true;
};

const std::vector<Entry>& entries();
const Entry& entry(std::string_view name);

}  // namespace nnc::fuzz
