#include "tests/fuzz/entries.h"

#include "frontend/frontend.h"
#include "ir/check.h"
#include "ir/op.h"
#include "ir/target.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "runtime/checkpoint.h"
#include "runtime/data/dataset.h"
#include "tests/unit/data_field.h"
#include "tests/unit/temp_directory.h"
#include "tools/driver.h"

#include <algorithm>
#include <filesystem>

namespace nnc::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_bytes = 16 << 20;  // that a graph computes, so that passes over it are quick

std::vector<std::string> files(const std::vector<std::string>& folders, std::string_view extension) {
  std::vector<std::string> paths;
  for (const std::string& folder : folders)
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(NNC_SOURCE_DIR "/" + folder))
      if (entry.path().extension() == extension) paths.push_back(entry.path());
  std::ranges::sort(paths);
  std::vector<std::string> texts;
  for (const std::string& path : paths) texts.push_back(test::TempDirectory::read_bytes(path));
  return texts;
}

void check_reported(bool accepted, const ir::Diagnostics& diagnostics) {
  NNC_CHECK(accepted != diagnostics.failed(), "{}", accepted ? "accepted with an error" : "refused without a reason");
}

bool is_small(const ir::Module& module) {
  std::int64_t bytes = 0;
  for (const std::vector<ir::Graph>* graphs : {&module.rules, &module.graphs})
    for (const ir::Graph& graph : *graphs)
      for (std::int32_t v = 0; v < graph.body.value_count(); ++v) {
        const std::int64_t own = graph.body.type({v}).bytes();
        if (own > most_bytes) return false;
        bytes += own;
      }
  return bytes <= most_bytes;
}

/// A module that was read prints, reads back and prints the same; the passes report what they cannot do.
void use(ir::Module module) {
  ir::Diagnostics diagnostics;
  const std::string text = ir::print(module);
  const std::optional<ir::Module> again = ir::parse_module("again.ir", text, diagnostics);
  NNC_CHECK(again.has_value(), "a printed module is not read back:\n{}\n{}", diagnostics.render(), text);
  NNC_CHECK(ir::print(*again) == text, "a module prints in another way when read back:\n{}", text);
  if (!is_small(module) || !module.programs.empty()) return;
  static const std::unique_ptr<ir::Target> target = ir::generic_target(2);
  ir::Diagnostics said;
  const ir::Status status =
      passes::run_passes(module, passes::pipeline_to(passes::Stage::program), {.target = target.get()}, said);
  check_reported(status == ir::Status::ok, said);
}

bool run_nn(std::string_view bytes) {
  ir::Diagnostics diagnostics;
  const auto model = frontend::load("fuzz.nn", bytes, {}, diagnostics);
  check_reported(model.has_value(), diagnostics);
  if (!model || model->recipe().batch > 1 << 20) return false;
  std::optional<ir::Module> module = model->elaborate(tools::sizes_without_data(model->recipe()), diagnostics);
  check_reported(module.has_value(), diagnostics);
  if (!module) return false;
  NNC_CHECK(ir::verify(*module, diagnostics) == ir::Status::ok, "{}", diagnostics.render());
  use(std::move(*module));
  return true;
}

bool run_ir(std::string_view bytes) {
  ir::Diagnostics diagnostics;
  std::optional<ir::Module> module = ir::parse_module("fuzz.ir", bytes, diagnostics);
  check_reported(module.has_value(), diagnostics);
  if (!module) return false;
  use(std::move(*module));
  return true;
}

bool run_safetensors(std::string_view bytes) {
  static const test::TempDirectory directory;
  ir::Diagnostics diagnostics;
  const auto tensors = runtime::read_safetensors(directory.write("w.safetensors", std::string(bytes)), diagnostics);
  check_reported(tensors.has_value(), diagnostics);
  return tensors.has_value();
}

/// A dataset that was accepted gives examples, and says where they stand in the file.
bool open(const std::string& path, const std::vector<ir::DataField>& fields) {
  ir::Diagnostics diagnostics;
  const auto opened = runtime::open_data(path, fields, diagnostics);
  check_reported(opened.has_value(), diagnostics);
  if (!opened) return false;
  const std::int64_t last = opened->train.examples() - 1;
  std::vector<ir::Tensor> batch;
  opened->train.gather(std::vector{last}, batch);
  for (const runtime::Column& column : opened->train.columns())
    if (column.place) (void)column.place(last, 0, diagnostics);
  return true;
}

bool run_csv(std::string_view bytes) {
  static const test::TempDirectory directory;
  return open(directory.write("d.csv", std::string(bytes)),
              {test::field("label", ir::DType::u8), test::field("x", ir::DType::f32, {2})});
}

/// An image file and a label file of five examples.
bool run_idx(std::string_view bytes) {
  static const test::TempDirectory directory;
  directory.write("train-images-idx3-ubyte", std::string(bytes));
  directory.write("train-labels-idx1-ubyte", std::string("\0\0\x08\x01\0\0\0\x05\0\1\2\3\4", 13));
  return open(directory.path(""), {test::field("image", ir::DType::u8, {2, 3}), test::field("label", ir::DType::u8)});
}

bool run_npy(std::string_view bytes) {
  static const test::TempDirectory directory;
  return open(directory.write("d.npy", std::string(bytes)), {test::field("x", ir::DType::f32, {2, 3})});
}

bool run_npz(std::string_view bytes) {
  static const test::TempDirectory directory;
  return open(directory.write("d.npz", std::string(bytes)),
              {test::field("image", ir::DType::u8, {2, 3}), test::field("label", ir::DType::u8)});
}

bool run_cifar(std::string_view bytes) {
  static const test::TempDirectory directory;
  directory.write("data_batch_1.bin", std::string(bytes));
  return open(directory.path(""),
              {test::field("image", ir::DType::u8, {3, 32, 32}), test::field("label", ir::DType::u8)});
}

/// One image of one class.
bool run_image(std::string_view bytes) {
  static const test::TempDirectory directory;
  fs::create_directories(directory.path("class"));
  directory.write("class/1.png", std::string(bytes));
  return open(directory.path(""),
              {test::field("image", ir::DType::u8, {3, 6, 8}), test::field("label", ir::DType::u8)});
}

ir::DataField sequence(ir::DataField::Source source, std::int64_t vocabulary) {
  ir::DataField field = test::field("text", ir::DType::i32, {4});
  field.source = source;
  field.vocabulary = vocabulary;
  return field;
}

/// Training text and, with the characters of another one, text to validate.
bool run_chars(std::string_view bytes) {
  static const test::TempDirectory directory;
  const std::vector fields{sequence(ir::DataField::Source::chars, 8)};
  const std::string path = directory.write("d.txt", std::string(bytes));
  ir::Diagnostics diagnostics;
  const auto training = runtime::open_data(directory.write("training.txt", "abc\ndefg"), fields, diagnostics);
  NNC_CHECK(training, "{}", diagnostics.render());
  const auto validation = runtime::open_validation(path, fields, training->train, diagnostics);
  check_reported(validation.has_value(), diagnostics);
  return open(path, fields);
}

bool run_tokens(std::string_view bytes) {
  static const test::TempDirectory directory;
  return open(directory.write("d.bin", std::string(bytes)), {sequence(ir::DataField::Source::tokens, 1000)});
}

/// Four records, without noise.
std::string cifar_records() {
  std::string records;
  for (const char label : {0, 3, 9, 5}) records += label + std::string(3 * 32 * 32, static_cast<char>(40 * label));
  return records;
}

}  // namespace

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all{
      {"nn", run_nn,
       [] {
         return files({"examples", "tests/parity/programs", "tests/golden"}, ".nn");
       }},
      {"ir", run_ir, [] { return files({"tests/golden"}, ".ir"); }},
      {"safetensors", run_safetensors, [] { return files({"tests/fixtures"}, ".safetensors"); }, false},
      {"csv", run_csv,
       [] {
         return std::vector<std::string>{"label,a,b\n1,2.5,-3\n0,1e3,4\n", "a,\"b\",label\r\n1,\"2\",3\r\n",
                                         "\xEF\xBB\xBFlabel,a,b\n7,inf,nan\n"};
       }},
      {"idx", run_idx,
       [] {
         return std::vector<std::string>{std::string("\0\0\x08\x03\0\0\0\x05\0\0\0\x02\0\0\0\x03", 16) +
                                         std::string(30, '\x07')};
       },
       false},
      {"npy", run_npy, [] { return files({"tests/fixtures/data"}, ".npy"); }},
      {"npz", run_npz, [] { return files({"tests/fixtures/data"}, ".npz"); }, false},
      {"cifar", run_cifar, [] { return std::vector{cifar_records()}; }, false},
      {"image", run_image,
       [] {
         std::vector<std::string> images = files({"tests/fixtures/data"}, ".png");
         for (std::string& image : files({"tests/fixtures/data"}, ".jpg")) images.push_back(std::move(image));
         return images;
       },
       false},
      {"chars", run_chars,
       [] {
         return std::vector<std::string>{"abc\ndefg", "bad cab\r\n", "feed a\xff"};
       },
       false},
      {"tokens", run_tokens,
       [] {
         return std::vector<std::string>{std::string("\1\0\2\0\xe7\3\0\0\5\0", 10),
                                         std::string("\0\1\0\2\0\3\0\1\0\1\0\1", 12)};
       },
       false},
  };
  return all;
}

const Entry& entry(std::string_view name) {
  const auto found = std::ranges::find(entries(), name, &Entry::name);
  NNC_CHECK(found != entries().end(), "no entry is called {}", name);
  return *found;
}

}  // namespace nnc::fuzz
