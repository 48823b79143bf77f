// What the commands' exit statuses say.
#pragma once

namespace nnc::tools {

inline constexpr int exit_done = 0;
inline constexpr int exit_user_error = 1;     // in what the user gave: model, data, checkpoint, a path, a value
inline constexpr int exit_usage = 2;          // an unknown option, a missing argument, an option that is not built
inline constexpr int exit_diverged = 3;       // the loss is no longer finite
inline constexpr int exit_signal_base = 128;  // plus the signal's number: stopped by it, after saving

}  // namespace nnc::tools
