#include "runtime/checkpoint.h"
#include "runtime/atomic_file.h"
#include "runtime/random.h"
#include "tests/unit/temp_directory.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <catch2/catch.hpp>

#include <csignal>

using namespace nnc;
using Catch::Contains;
using runtime::NamedTensors;
using test::TempDirectory;

namespace {

ir::Tensor tensor(ir::DType dtype, ir::Shape shape, double first = 0) {
  ir::Tensor out(ir::Type{dtype, std::move(shape), {}});
  for (std::int64_t i = 0; i < out.elements(); ++i) out.set_real(i, first + static_cast<double>(i));
  return out;
}

/// A file with this header, its length before it.
std::string file(const std::string& header, const std::string& data) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(header.size() >> 8 * i & 0xff);
  return out + header + data;
}

std::string error_of(const std::string& bytes) {
  const TempDirectory dir;
  const std::string path = dir.write("w.safetensors", bytes);
  ir::Diagnostics diagnostics;
  CHECK_FALSE(runtime::read_safetensors(path, diagnostics));
  CHECK(diagnostics.count() == 1);
  std::string text = diagnostics.render();
  CHECK(text.find(path + ": error: ") == 0);
  return text.substr(std::min(path.size() + 9, text.size()));
}

NamedTensors read(const std::string& path) {
  ir::Diagnostics diagnostics;
  auto tensors = runtime::read_safetensors(path, diagnostics);
  INFO(diagnostics.render());
  REQUIRE(tensors);
  return std::move(*tensors);
}

/// What a file of the executor's weights holds.
NamedTensors saved(const ir::Module& module, runtime::Executor& executor) {
  const TempDirectory dir;
  ir::Diagnostics diagnostics;
  REQUIRE(runtime::save_weights(dir.path("w"), module, executor, {}, diagnostics) == ir::Status::ok);
  return read(dir.path("w"));
}

runtime::NamedViews views(const NamedTensors& tensors) { return {tensors.begin(), tensors.end()}; }

ir::Slot slot(std::string path, ir::Type type, ir::SlotKind kind) {
  ir::Slot out;
  out.path = std::move(path);
  out.type = std::move(type);
  out.kind = kind;
  return out;
}

ir::Module module_with_slots() {
  ir::Module module;
  module.slots = {slot("model.fc1.weight", {ir::DType::f32, {2, 2}, {}}, ir::SlotKind::parameter),
                  slot("model.fc1.bias", {ir::DType::f32, {2}, {}}, ir::SlotKind::parameter),
                  slot("model.bn.count", {ir::DType::i64, {}, {}}, ir::SlotKind::statistic),
                  slot("adam.model.fc1.bias.m", {ir::DType::f32, {2}, {}}, ir::SlotKind::optimizer),
                  slot("step", {ir::DType::i64, {}, {}}, ir::SlotKind::counter)};
  return module;
}

/// Holds the slots, all zeros.
std::unique_ptr<runtime::Executor> zeros(const ir::Module& module) { return runtime::make_reference_executor(module); }

/// Loads `tensors` over zeros: what the errors are, without the path.
std::string load_error(const NamedTensors& tensors) {
  const TempDirectory dir;
  ir::Diagnostics diagnostics;
  const std::string path = dir.path("w.safetensors");
  REQUIRE(runtime::write_safetensors(path, views(tensors), diagnostics) == ir::Status::ok);
  const ir::Module module = module_with_slots();
  const auto executor = zeros(module);
  CHECK(runtime::load_weights(path, module, *executor, diagnostics) == ir::Status::failed);
  for (const ir::Slot& s : module.slots) CHECK(executor->slot(s.path) == ir::Tensor(s.type));
  std::string text = diagnostics.render();
  for (auto at = text.find(path); at != std::string::npos; at = text.find(path)) text.erase(at, path.size() + 2);
  return text;
}

NamedTensors good_weights() {
  return {{"model.fc1.weight", tensor(ir::DType::f32, {2, 2}, 1)},
          {"model.fc1.bias", tensor(ir::DType::f32, {2}, 5)},
          {"model.bn.count", tensor(ir::DType::f32, {}, 7)}};
}

}  // namespace

TEST_CASE("a safetensors file of another writer is read") {
  const NamedTensors tensors = read(std::string(NNC_SOURCE_DIR) + "/tests/fixtures/tiny.safetensors");
  CHECK(tensors.size() == 10);
  CHECK(ir::to_string(tensors.at("model.fc1.weight").type()) == "f32[2,3]");
  CHECK(tensors.at("model.fc1.weight").real(4) == -0.125);
  CHECK(tensors.at("wide").real(1) == -2.25);
  CHECK(tensors.at("count").integer(0) == -(std::int64_t{1} << 40));
  CHECK(tensors.at("ids").integer(2) == 2147483647);
  CHECK(tensors.at("half").as<std::uint16_t>()[1] == 0xc000);
  CHECK(tensors.at("tokens").integer(0) == 50256);
  CHECK(tensors.at("pixels").integer(3) == 255);
  CHECK(tensors.at("mask").integer(2) == 1);
  CHECK(tensors.at("none").type().shape == ir::Shape{0, 4});
  CHECK(tensors.at("a \"quoted\"\tn\xc3\xa4me").integer(0) == 9);
}

TEST_CASE("what is written is read back, every dtype, aligned to its size") {
  const TempDirectory dir;
  NamedTensors tensors;
  for (const ir::DType dtype : ir::all_dtypes()) {
    if (dtype != ir::DType::bf16) tensors.emplace(fmt::format("t.{}", ir::name(dtype)), tensor(dtype, {3, 1}));
  }
  tensors.emplace("t.half", ir::Tensor(ir::Type{ir::DType::bf16, {3}, {}}));
  tensors.emplace("scalar", tensor(ir::DType::f32, {}, -1.5));
  tensors.emplace("empty", tensor(ir::DType::f64, {0, 2}));
  ir::Diagnostics diagnostics;
  REQUIRE(runtime::write_safetensors(dir.path("w"), views(tensors), diagnostics) == ir::Status::ok);
  CHECK(read(dir.path("w")) == tensors);
  const std::string bytes = dir.read("w");
  CHECK((8 + static_cast<unsigned char>(bytes[0]) + 256 * static_cast<unsigned char>(bytes[1])) % 8 == 0);
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE("each way to be broken has its error") {
  const std::string eight(8, '\0');
  const auto entry = [](const std::string& dtype, const std::string& shape, const std::string& offsets) {
    return fmt::format(R"("a":{{"dtype":{},"shape":{},"data_offsets":{}}})", dtype, shape, offsets);
  };
  const std::string good = entry(R"("F32")", "[2]", "[0,8]");
  CHECK_THAT(error_of(""), Contains("the file is empty"));
  CHECK_THAT(error_of("1234567"), Contains("expected an 8-byte length, the file has 7 bytes"));
  CHECK_THAT(error_of(std::string(16, '\xff')),
             Contains("the header has 18446744073709551615 bytes, but the file has 16"));
  CHECK_THAT(error_of(file("{" + good + "}", eight).substr(0, 20)), Contains("it is truncated or no safetensors file"));
  CHECK_THAT(error_of(file("{" + good, eight)), Contains("its header is not a JSON object"));
  CHECK_THAT(error_of(file("[]", "")), Contains("its header is not a JSON object"));
  CHECK_THAT(error_of(file("{\"\xff\":1}", "")), Contains("its header is not a JSON object"));
  CHECK_THAT(error_of(file("{" + good + "," + good + "}", eight)), Contains("its header has `a` twice"));
  CHECK_THAT(error_of(file(R"({"a":{"dtype":"F32","dtype":"F32"}})", "")), Contains("its header has `dtype` twice"));
  CHECK_THAT(error_of(file(std::string(100000, '['), "")), Contains("nested too deeply"));
  CHECK_THAT(error_of(file(R"({"a":1})", "")), Contains("tensor `a`: expected an object"));
  CHECK_THAT(error_of(file(R"({"a":{"x":1}})", "")), Contains("tensor `a`: unknown key `x`"));
  CHECK_THAT(error_of(file(R"({"a":{"shape":[]}})", "")), Contains("tensor `a`: it has no dtype"));
  CHECK_THAT(error_of(file("{" + entry(R"("F16")", "[4]", "[0,8]") + "}", eight)),
             Contains("its dtype `F16` is not supported"));
  CHECK_THAT(error_of(file("{" + entry(R"("F32")", "2", "[0,8]") + "}", eight)), Contains("it has no shape"));
  CHECK_THAT(error_of(file("{" + entry(R"("F32")", "[-2]", "[0,8]") + "}", eight)), Contains("is no natural number"));
  CHECK_THAT(error_of(file("{" + entry(R"("F32")", "[2.0]", "[0,8]") + "}", eight)), Contains("is no natural number"));
  CHECK_THAT(error_of(file("{" + entry(R"("F32")", "[4294967296,4294967296]", "[0,8]") + "}", eight)),
             Contains("its shape has too many elements"));
  CHECK_THAT(error_of(file("{" + entry(R"("F32")", "[2]", "[0]") + "}", eight)),
             Contains("are not two natural numbers"));
  CHECK_THAT(error_of(file("{" + entry(R"("F32")", "[2]", "[0,-8]") + "}", eight)),
             Contains("are not two natural numbers"));
  CHECK_THAT(error_of(file("{" + entry(R"("F32")", "[2]", "[8,0]") + "}", eight)),
             Contains("[8, 0] are not within the 8 bytes"));
  CHECK_THAT(error_of(file("{" + good + "}", eight.substr(1))), Contains("[0, 8] are not within the 7 bytes of data"));
  CHECK_THAT(error_of(file("{" + entry(R"("F32")", "[3]", "[0,8]") + "}", eight)),
             Contains("f32[3] has 12 bytes, but its data_offsets [0, 8] hold 8"));
  CHECK_THAT(error_of(file("{" + good + "}", eight + "x")), Contains("the last 1 bytes belong to no tensor"));
  const std::string second = R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":)";
  CHECK_THAT(error_of(file("{" + good + second + "[4,8]}}", eight)),
             Contains("data of `b` begins at 4, expected 8 (it overlaps"));
  CHECK_THAT(error_of(file("{" + good + second + "[9,13]}}", eight + "12345")),
             Contains("data of `b` begins at 9, expected 8 (the bytes between belong to no tensor)"));
  CHECK_THAT(error_of(file("{" + entry(R"("BOOL")", "[1]", "[0,1]") + "}", "2")),
             Contains("a bool is neither 0 nor 1"));
  CHECK_THAT(error_of(file(R"({"__metadata__":{"a":1}})", "")), Contains("its __metadata__ is not a map of texts"));
}

TEST_CASE("no corruption of a safetensors file crashes the reader") {
  const std::string valid =
      test::TempDirectory::read_bytes(std::string(NNC_SOURCE_DIR) + "/tests/fixtures/tiny.safetensors");
  const TempDirectory dir;
  runtime::Random random(22, 1);
  int accepted = 0, rejected = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = valid;
    for (std::uint64_t edits = random.below(3) + 1; edits > 0; --edits) {
      const std::size_t at = random.below(bytes.size());
      switch (random.below(6)) {
        case 0: bytes.resize(at + 1); break;
        case 1: bytes.insert(at, 1, "0123456789[]{},:\"-"[random.below(18)]); break;
        case 2:
          bytes.erase(at, 1);
          if (bytes.empty()) bytes = "x";
          break;
        case 3:
          bytes[random.below(std::min<std::size_t>(bytes.size(), 8))] = static_cast<char>(random.below(256));
          break;
        default: bytes[at] = static_cast<char>(random.below(256)); break;
      }
    }
    ir::Diagnostics diagnostics;
    const auto tensors = runtime::read_safetensors(dir.write("w", bytes), diagnostics);
    CHECK(tensors.has_value() != diagnostics.failed());
    ++(tensors ? accepted : rejected);
  }
  CHECK(accepted > 20);
  CHECK(rejected > 1000);
}

TEST_CASE("a write that fails leaves the old file whole and nothing beside it") {
  const TempDirectory dir;
  ir::Diagnostics diagnostics;
  const NamedTensors old{{"a", tensor(ir::DType::f32, {4}, 1)}};
  REQUIRE(runtime::write_safetensors(dir.path("w"), views(old), diagnostics) == ir::Status::ok);

  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limit) == 0);
  const rlimit small{2000, limit.rlim_max};
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const ir::Status status =
      runtime::write_safetensors(dir.path("w"), {{"a", tensor(ir::DType::f32, {4000})}}, diagnostics);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, handler);

  CHECK(status == ir::Status::failed);
  CHECK(diagnostics.render() == dir.path("w") + ": error: cannot write it: File too large\n");
  CHECK(read(dir.path("w")) == old);
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE("writing over a directory or into a missing one is an error") {
  const TempDirectory dir;
  std::filesystem::create_directory(dir.path("w"));
  ir::Diagnostics diagnostics;
  CHECK(runtime::write_atomically(dir.path("w"), {"x"}, diagnostics) == ir::Status::failed);
  CHECK(runtime::write_atomically(dir.path("none/w"), {"x"}, diagnostics) == ir::Status::failed);
  CHECK_THAT(diagnostics.render(), Contains("w: error: cannot write it: Is a directory") &&
                                       Contains("none/w: error: cannot write it: No such file or directory"));
  CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
}

TEST_CASE("parameters and statistics are the weights, as f32") {
  const ir::Module module = module_with_slots();
  const auto executor = zeros(module);
  executor->set_slot("model.bn.count", ir::Tensor::splat_integer({ir::DType::i64, {}, {}}, 7));
  const NamedTensors weights = saved(module, *executor);
  CHECK(weights.size() == 3);
  CHECK(weights.at("model.bn.count") == tensor(ir::DType::f32, {}, 7));
}

TEST_CASE("weights come back into their slots; statistics may be missing; f64 and bf16 are converted") {
  const TempDirectory dir;
  const ir::Module module = module_with_slots();
  ir::Diagnostics diagnostics;
  NamedTensors tensors = good_weights();
  auto executor = zeros(module);
  REQUIRE(runtime::write_safetensors(dir.path("w"), views(tensors), diagnostics) == ir::Status::ok);
  REQUIRE(runtime::load_weights(dir.path("w"), module, *executor, diagnostics) == ir::Status::ok);
  CHECK(saved(module, *executor) == tensors);
  CHECK(executor->slot("model.bn.count").type().dtype == ir::DType::i64);

  executor = zeros(module);
  tensors.erase("model.bn.count");
  tensors["model.fc1.weight"] = tensor(ir::DType::f64, {2, 2}, 1);
  tensors["model.fc1.bias"] = ir::Tensor(ir::Type{ir::DType::bf16, {2}, {}});
  tensors["model.fc1.bias"].as<std::uint16_t>()[1] = 0xc000;
  REQUIRE(runtime::write_safetensors(dir.path("w"), views(tensors), diagnostics) == ir::Status::ok);
  REQUIRE(runtime::load_weights(dir.path("w"), module, *executor, diagnostics) == ir::Status::ok);
  CHECK(executor->slot("model.fc1.weight") == tensor(ir::DType::f32, {2, 2}, 1));
  CHECK(executor->slot("model.fc1.bias").real(1) == -2);
}

TEST_CASE("weights that do not fit are errors that change nothing") {
  NamedTensors tensors = good_weights();
  tensors["model.fc1.wieght"] = tensors["model.fc1.weight"];
  tensors.erase("model.fc1.weight");
  CHECK(load_error(tensors) ==
        "error: no tensor `model.fc1.weight`, which is a parameter f32[2,2]\n"
        "error: tensor `model.fc1.wieght` is no parameter of the model; did you mean `model.fc1.weight`?\n");
  tensors = good_weights();
  tensors["model.fc1.bias"] = tensor(ir::DType::f32, {3});
  tensors["model.fc1.weight"] = tensor(ir::DType::i32, {2, 2});
  CHECK(load_error(tensors) ==
        "error: tensor `model.fc1.weight`: the model has f32[2,2], the file i32[2,2]\n"
        "error: tensor `model.fc1.bias`: the model has f32[2], the file f32[3]\n");
  tensors = good_weights();
  tensors["step"] = tensor(ir::DType::f32, {});
  CHECK(load_error(tensors) == "error: tensor `step` is no parameter of the model\n");
}

TEST_CASE("the output directory is made, or refused") {
  const TempDirectory dir;
  ir::Diagnostics diagnostics;
  CHECK(runtime::prepare_output(dir.path("a/b"), diagnostics) == ir::Status::ok);
  CHECK(runtime::prepare_output(dir.path("a/b"), diagnostics) == ir::Status::ok);
  CHECK(std::filesystem::is_empty(dir.path("a/b")));
  dir.write("file", "x");
  CHECK(runtime::prepare_output(dir.path("file"), diagnostics) == ir::Status::failed);
  CHECK(runtime::prepare_output(dir.path("file/c"), diagnostics) == ir::Status::failed);
  CHECK_THAT(diagnostics.render(), Contains("file: error: cannot make the output directory: ") &&
                                       Contains("file/c: error: cannot make the output directory: Not a directory"));
  ir::Diagnostics proc;  // a directory in which nobody, root included, makes files
  CHECK(runtime::prepare_output("/proc", proc) == ir::Status::failed);
  CHECK(proc.render() == "/proc: error: cannot write to the output directory: No such file or directory\n");
}
