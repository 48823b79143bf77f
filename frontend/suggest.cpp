#include "frontend/suggest.h"

#include "ir/diagnostics.h"
#include "ir/op.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace nnc::frontend {

namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// Other frameworks' names for arguments and functions, in the order in which they are tried. Those of ops are in
// the ops' records.
constexpr auto elsewhere = std::to_array<Pair>({
    {"dim", "axis"},
    {"dims", "axis"},
    {"axes", "axis"},
    {"keepdims", "keepdim"},
    {"keep_dim", "keepdim"},
    {"kernel_size", "kernel"},
    {"start_dim", "start"},
    {"out_features", "units"},
    {"hidden_size", "units"},
    {"out_channels", "out"},
    {"filters", "out"},
    {"num_embeddings", "vocab"},
    {"num_classes", "classes"},
    {"learning_rate", "lr"},
    {"epsilon", "eps"},
    {"l2", "weight_decay"},
    {"dropout_rate", "p"},
    {"probability", "p"},
    {"rate", "p"},
    {"input", "x"},
    {"labels", "target"},
    {"dense", "linear"},
    {"Dense", "linear"},
    {"Linear", "linear"},
    {"clip", "clamp"},
    {"len", "size"},
    {"numel", "size"},
    {"mean_squared_error", "mse"},
    {"mse_loss", "mse"},
    {"MSELoss", "mse"},
    {"L1Loss", "l1"},
    {"l1_loss", "l1"},
    {"NLLLoss", "nll"},
    {"nll_loss", "nll"},
    {"BCELoss", "bce"},
    {"CrossEntropyLoss", "cross_entropy"},
    {"BCEWithLogitsLoss", "bce_with_logits"},
    {"rand", "random_uniform"},
    {"randn", "random_normal"},
    {"cosine_annealing", "cosine"},
    {"norm", "vector_norm"},
    {"index_select", "take"},
    {"swish", "silu"},
    {"StepLR", "step_decay"},
    {"step_lr", "step_decay"},
    {"CosineAnnealingLR", "cosine"},
    {"ExponentialLR", "exponential"},
    {"LinearLR", "linear"},
    {"he_normal", "kaiming_normal"},
    {"he_uniform", "kaiming_uniform"},
    {"glorot_normal", "xavier_normal"},
    {"glorot_uniform", "xavier_uniform"},
    {"gamma", "factor"},
    {"num_heads", "heads"},
    {"nhead", "heads"},
    {"num_layers", "layers"},
    {"dim_feedforward", "feedforward"},
    {"embedding_dim", "dim"},
    {"affine", "elementwise_affine"},
    {"BatchNorm1d", "batch_norm"},
    {"BatchNorm2d", "batch_norm"},
    {"MultiheadAttention", "multi_head_attention"},
    {"batch_size", "batch"},
    {"clip", "clip_norm"},
    {"grad_clip", "clip_norm"},
    {"max_grad_norm", "clip_norm"},
    {"num_epochs", "epochs"},
    {"max_steps", "steps"},
    {"requires_grad", "frozen"},
    {"trainable", "frozen"},
});

constexpr auto types_elsewhere = std::to_array<Pair>({
    {"float", "f32"},  {"float32", "f32"}, {"f16", "f32"},         {"float16", "f32"},     {"half", "f32"},
    {"double", "f64"}, {"float64", "f64"}, {"bfloat16", "bf16"},   {"int32", "i32"},       {"int64", "i64"},
    {"long", "i64"},   {"uint8", "u8"},    {"byte", "u8"},         {"uint16", "u16"},      {"boolean", "bool"},
    {"string", "str"}, {"integer", "int"}, {"tensor", "f32[...]"}, {"Tensor", "f32[...]"},
});

constexpr auto modules_elsewhere = std::to_array<std::string_view>(
    {"torch", "nn", "F", "np", "numpy", "math", "jnp", "jax", "tf", "keras", "layers", "optim", "init", "super"});

}  // namespace

bool is_module_elsewhere(std::string_view name) { return std::ranges::count(modules_elsewhere, name) > 0; }

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  for (const auto& [foreign, own] : elsewhere)
    if (foreign == name && std::ranges::count(candidates, own) > 0) return std::string(own);
  for (const std::string& candidate : candidates)
    if (const ir::OpDef* op = ir::find_op(candidate); op != nullptr && std::ranges::count(op->elsewhere, name) > 0)
      return candidate;
  return ir::nearest_name(name, candidates);
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates,
                         std::string_view otherwise) {
  const std::string near = suggestion(name, candidates);
  return near.empty() ? std::string(otherwise) : fmt::format("; did you mean `{}`?", near);
}

std::string_view element_type_called(std::string_view name) {
  for (const auto& [foreign, own] : types_elsewhere)
    if (foreign == name) return own;
  return "";
}

}  // namespace nnc::frontend
