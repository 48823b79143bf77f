// What a name that nobody declared was probably meant to be.
//
//   suggestion("widht", {"width", "depth"})  ->  "width"          a near spelling
//   suggestion("dim", {"x", "axis"})         ->  "axis"           what other frameworks call it
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nnc::frontend {

/// One of the candidates, or empty.
std::string suggestion(std::string_view name, const std::vector<std::string>& candidates);

/// "; did you mean `width`?", or `otherwise` where nothing is near.
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates,
                         std::string_view otherwise = "");

/// The element type that other languages call so: `float32` is f32; empty if there is none.
std::string_view element_type_called(std::string_view name);

/// Whether `name.f(...)` is a function of a module where people come from: `torch`, `math`.
bool is_module_elsewhere(std::string_view name);

}  // namespace nnc::frontend
