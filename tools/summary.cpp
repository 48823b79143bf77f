#include "tools/summary.h"

#include <sys/resource.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace nnc::tools {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json metrics(const runtime::Metrics& values) {
  Json object = Json::object();
  for (const auto& [name, value] : values) object[name] = number(value);
  return object;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

/// Of this program alone: what getrusage tells is that of the process before it was this program, too.
std::int64_t peak_rss_bytes() {
  static constexpr std::string_view name = "VmHWM:";
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(name)) return std::stoll(line.substr(name.size())) * 1024;
  return 0;
}

/// Validation figures are null without validation.
void add_validation(Json& json, const runtime::TrainResult& result) {
  json["valid_loss"] = result.valid ? number(result.valid->loss) : Json(nullptr);
  json["best_valid_loss"] = result.best_valid_loss ? number(*result.best_valid_loss) : Json(nullptr);
  json["best_epoch"] = result.best_valid_loss ? Json(result.best_epoch) : Json(nullptr);
}

void add_times(Json& json, const runtime::TrainResult& result) {
  if (result.step_seconds.empty()) {
    for (const char* key : {"step_ms_median", "step_ms_min", "examples_per_s"}) json[key] = nullptr;
    return;
  }
  const std::vector<double>& seconds = result.step_seconds;
  json["step_ms_median"] = number(median(seconds) * 1e3);
  json["step_ms_min"] = number(*std::min_element(seconds.begin(), seconds.end()) * 1e3);
  json["examples_per_s"] = number(static_cast<double>(result.examples) / result.seconds);
}

void add_result(Json& json, const runtime::TrainResult& result) {
  json["train_loss"] = number(result.train.loss);
  add_validation(json, result);
  json["train_metrics"] = metrics(result.train.metrics);
  json["valid_metrics"] = result.valid ? metrics(result.valid->metrics) : Json(nullptr);
  json["losses"] = Json::array();
  for (const double loss : result.losses) json["losses"].push_back(number(loss));
  json["stop_reason"] = std::string{runtime::name(result.reason)};
  add_times(json, result);
}

std::string line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'; }

}  // namespace

std::string summary_json(const Prepared& prepared, const std::optional<runtime::TrainResult>& result) {
  const runtime::TrainResult& figures = result ? *result : runtime::TrainResult{};
  Json json;
  json["steps"] = figures.steps;
  json["epochs"] = figures.epochs;
  if (result) add_result(json, *result);
  json["compile_ms"] = number(prepared.compile_seconds * 1e3);
  json["peak_rss_bytes"] = peak_rss_bytes();
  if (const std::int64_t planned = prepared.executor->planned_bytes(); planned > 0) json["planned_bytes"] = planned;
  if (const std::optional<std::int64_t> flops = flops_per_step(prepared.module)) json["flops_per_step"] = *flops;
  json["parameters"] = parameter_count(prepared.module);
  return line(json);
}

std::string unprepared_summary_json() {
  runtime::TrainResult nothing;
  nothing.reason = runtime::StopReason::signal;
  Json json;
  json["steps"] = nothing.steps;
  json["epochs"] = nothing.epochs;
  add_result(json, nothing);
  json["compile_ms"] = nullptr;
  json["peak_rss_bytes"] = nullptr;
  json["planned_bytes"] = nullptr;
  json["flops_per_step"] = nullptr;
  json["parameters"] = nullptr;
  return line(json);
}

}  // namespace nnc::tools
