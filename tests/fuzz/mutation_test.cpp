// mutation_test ENTRY FIRST COUNT: gives an entry COUNT inputs of the corpus, mutated by seeds from FIRST on. A seed that
// crashes or hangs is named, and its input is left in ENTRY-SEED.crash.
#include "tests/fuzz/entries.h"
#include "tests/fuzz/mutate.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>

namespace {

constexpr unsigned hang_seconds = 120;  // for one input, also under the sanitizers
constexpr rlim_t most_memory = rlim_t{4} << 30;

char about[256];
const char* path = nullptr;
const std::string* input = nullptr;

void report() {
  (void)!::write(STDERR_FILENO, about, std::strlen(about));
  if (std::FILE* file = std::fopen(path, "wb")) {
    std::fwrite(input->data(), 1, input->size(), file);
    std::fclose(file);
  }
}

void on_signal(int signal) {
  report();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __asan_on_error() { report(); }
constexpr bool limits_itself = true;  // and needs terabytes of addresses
#else
constexpr bool limits_itself = false;
#endif

int main(int argc, char** argv) {
  using namespace nnc;
  if (argc != 4) return std::fputs("mutation_test ENTRY FIRST COUNT\n", stderr), 2;
  const fuzz::Entry& entry = fuzz::entry(argv[1]);
  const std::uint64_t first = std::strtoull(argv[2], nullptr, 10), count = std::strtoull(argv[3], nullptr, 10);
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGALRM}) std::signal(signal, on_signal);
  // What a header promises and the file does not have is not allocated.
  const rlimit memory{most_memory, most_memory};
  if (!limits_itself && ::setrlimit(RLIMIT_AS, &memory) != 0) return std::perror("setrlimit"), 2;
  const std::vector<std::string> corpus = entry.corpus();
  std::uint64_t accepted = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    runtime::Random random(seed, 1);
    const std::string bytes = fuzz::mutated(corpus[random.below(corpus.size())], corpus, entry.text, random);
    const std::string crash = fmt::format("{}-{}.crash", entry.name, seed);
    input = &bytes;
    path = crash.c_str();
    *fmt::format_to_n(about, sizeof about - 1, "{}: seed {} ends here\n", entry.name, seed).out = '\0';
    ::alarm(hang_seconds);
    accepted += entry.run(bytes);
    ::alarm(0);
  }
  fmt::print("{}: {} inputs, {} accepted\n", entry.name, count, accepted);
  return count >= 100 && (accepted == 0 || accepted == count) ? 1 : 0;  // neither would be a test
}
