// Which examples a step sees: the shuffled order of an epoch, and the examples that --val-split sets apart.
#pragma once

#include <cstdint>
#include <vector>

namespace nnc::runtime {

/// Steps that see each example once: of full batches, and of one with the rest.
std::int64_t steps_of_epoch(std::int64_t examples, std::int64_t batch);

/// The examples' order in epoch `epoch` (from 1): a permutation of 0..examples that depends on nothing but the
/// arguments.
std::vector<std::int64_t> epoch_order(std::int64_t examples, std::uint64_t seed, std::int64_t epoch);
/// 0..examples as they stand in the file.
std::vector<std::int64_t> file_order(std::int64_t examples);

/// round(fraction x examples) of 0..examples, chosen at random by `seed`, ascending; `fraction` is in [0, 1].
std::vector<std::int64_t> validation_indices(std::int64_t examples, double fraction, std::uint64_t seed);

/// The last round(fraction x examples) of 0..examples, ascending.
std::vector<std::int64_t> last_indices(std::int64_t examples, double fraction);

}  // namespace nnc::runtime
