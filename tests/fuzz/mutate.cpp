#include "tests/fuzz/mutate.h"

#include <algorithm>
#include <cctype>

namespace nnc::fuzz {
namespace {

bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

/// Words, white space, single other characters.
std::vector<std::string> tokens_of(const std::string& text) {
  std::vector<std::string> tokens;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at + 1;
    while (in_word(text[at]) && end < text.size() && in_word(text[end])) ++end;
    tokens.push_back(text.substr(at, end - at));
    at = end;
  }
  return tokens;
}

template <class T>
std::size_t pick(const T& from, runtime::Random& random) {
  return static_cast<std::size_t>(random.below(from.size()));
}

void mutate_tokens(std::vector<std::string>& tokens, const std::vector<std::string>& other, runtime::Random& random) {
  static const std::vector<std::string> extremes{"0",
                                                 "1",
                                                 "-1",
                                                 "2147483648",
                                                 "9223372036854775807",
                                                 "9223372036854775808",
                                                 "1e400",
                                                 "1e-400",
                                                 "0.5",
                                                 "1000000",
                                                 "none",
                                                 "(",
                                                 ")",
                                                 "[",
                                                 "]",
                                                 "{",
                                                 "}",
                                                 "...",
                                                 ",",
                                                 "-",
                                                 "\n",
                                                 ";",
                                                 "=",
                                                 "as",
                                                 "B",
                                                 "\"",
                                                 ":",
                                                 "@",
                                                 "%",
                                                 "inf"};
  const std::size_t at = pick(tokens, random);
  const std::size_t length = std::min<std::size_t>(1 + random.below(random.below(4) == 0 ? 20 : 2), tokens.size() - at);
  const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(at);
  const auto end = first + static_cast<std::ptrdiff_t>(length);
  switch (random.below(7)) {
    case 0: tokens.erase(first, end); break;
    case 1: {
      const std::vector<std::string> copy(first, end);
      tokens.insert(tokens.begin() + static_cast<std::ptrdiff_t>(pick(tokens, random)), copy.begin(), copy.end());
      break;
    }
    case 2: std::swap(tokens[at], tokens[pick(tokens, random)]); break;
    case 3: tokens[at] = extremes[pick(extremes, random)]; break;
    case 4: {
      const std::size_t from = pick(other, random);
      const std::size_t count = std::min<std::size_t>(1 + random.below(30), other.size() - from);
      const auto begin = other.begin() + static_cast<std::ptrdiff_t>(from);
      tokens.insert(first, begin, begin + static_cast<std::ptrdiff_t>(count));
      break;
    }
    case 5: {
      // A number for a number, a word for a word: more of these are accepted.
      const auto same_kind = [&](const std::string& token) {
        const auto digit = [](const std::string& t) { return std::isdigit(static_cast<unsigned char>(t[0])) != 0; };
        return in_word(token[0]) && in_word(tokens[at][0]) && digit(token) == digit(tokens[at]);
      };
      for (int attempt = 0; attempt < 50; ++attempt) {
        const std::string& token = tokens[pick(tokens, random)];
        if (same_kind(token)) {
          tokens[at] = token;
          break;
        }
      }
      break;
    }
    default: tokens[at] = std::to_string(random.below(20)); break;
  }
}

void mutate_bytes(std::string& bytes, runtime::Random& random) {
  if (bytes.empty()) bytes = "x";
  const std::size_t at = pick(bytes, random);
  switch (random.below(5)) {
    case 0: bytes.resize(at + 1); break;
    case 1: bytes.insert(at, 1, static_cast<char>(random.below(256))); break;
    case 2: bytes.erase(at, 1); break;
    case 3: bytes[random.below(std::min<std::size_t>(bytes.size(), 16))] = static_cast<char>(random.below(256)); break;
    default: bytes[at] = static_cast<char>(random.below(256)); break;
  }
}

}  // namespace

std::string mutated(const std::string& input, const std::vector<std::string>& corpus, bool text,
                    runtime::Random& random) {
  std::string result = input;
  std::uint64_t edits = 1 + random.below(4);
  if (text && random.below(8) != 0) {
    std::vector<std::string> tokens = tokens_of(input);
    const std::vector<std::string> other = tokens_of(corpus[pick(corpus, random)]);
    for (; edits > 0 && !tokens.empty() && !other.empty(); --edits) mutate_tokens(tokens, other, random);
    result.clear();
    for (const std::string& token : tokens) result += token;
    return result;
  }
  for (; edits > 0; --edits) mutate_bytes(result, random);
  return result;
}

}  // namespace nnc::fuzz
