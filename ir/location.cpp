#include "ir/location.h"

#include <algorithm>

namespace nnc::ir {

namespace {
const std::vector<CallChain> no_chains;
}

std::size_t innermost_in_first_file(const CallChain& chain) {
  std::size_t i = chain.size() - 1;
  while (i > 0 && chain[i].file != chain[0].file) --i;
  return i;
}

Location::Location(CallChain chain) : Location(std::vector<CallChain>{std::move(chain)}) {}

Location::Location(std::vector<CallChain> chains) {
  std::erase_if(chains, [](const CallChain& chain) { return chain.empty(); });
  if (chains.empty()) return;
  std::sort(chains.begin(), chains.end());
  chains.erase(std::unique(chains.begin(), chains.end()), chains.end());
  chains_ = std::make_shared<const std::vector<CallChain>>(std::move(chains));
}

const std::vector<CallChain>& Location::chains() const { return chains_ ? *chains_ : no_chains; }

SourcePoint Location::point() const { return empty() ? SourcePoint{} : chains().front().front(); }

Location Location::merged(const Location& other) const {
  if (other.empty() || chains_ == other.chains_) return *this;
  if (empty()) return other;
  std::vector<CallChain> all = chains();
  all.insert(all.end(), other.chains().begin(), other.chains().end());
  return Location(std::move(all));
}

}  // namespace nnc::ir
