// Philox4x32-10 against the known answers of its authors, and a random tensor against pinned numbers.
#include "ir/philox.h"
#include "ir/evaluate.h"

#include "ir/builder.h"

#include <catch2/catch.hpp>

using namespace nnc::ir;

TEST_CASE("philox gives the known answers") {
  // Random123, tests/kat_vectors: philox4x32, 10 rounds.
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == PhiloxWords{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        PhiloxWords{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        PhiloxWords{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a stream's hash is FNV-1a of 64 bits") {
  // The test vectors of the FNV page (Noll).
  CHECK(stream_hash("") == 0xcbf29ce484222325);
  CHECK(stream_hash("a") == 0xaf63dc4c8601ec8c);
  CHECK(stream_hash("foobar") == 0x85944171f73967e8);
}

TEST_CASE("a random tensor is a fixed function of key, step, stream and position") {
  Block block;
  Builder builder(block);
  const auto number = [&](std::int64_t value) {
    return builder.constant(Tensor::splat_integer(Type{DType::i64, {}, {}}, value));
  };
  const Expr random =
      builder.op("random", {number(0x123456789), number(7)},
                 {{"shape", std::vector<std::int64_t>{7, 10}}, {"stream", std::string("model.fc1.weight")}});
  block.results = {random.value};
  const Tensor found = evaluate(block, {}, nullptr)[0];
  // In units of 2^-24, from a second implementation of Philox and FNV-1a and the layout that ir/philox.h describes.
  const std::vector<double> expected{
      11711337, 6698164, 8700292,  13604314, 9709360,  4653978,  13120171, 5957513,  5596682,  16043773,  //
      861105,   7632811, 168701,   14034482, 11444458, 5985951,  7336794,  9032291,  11555291, 2365347,   //
      7642494,  6945059, 13115594, 6707391,  4957400,  6241813,  2726435,  12186534, 13994858, 15733987,  //
      16465759, 8009040, 2594842,  481544,   8707078,  566032,   1188592,  13114029, 8747625,  1081730,   //
      741168,   9825184, 2529383,  8273125,  5483675,  1419837,  7843365,  15393861, 6350562,  3360355,   //
      6949059,  7985617, 10606313, 3734950,  7276411,  15026421, 8589771,  9938189,  1652746,  10504281,  //
      15746595, 6321802, 2727021,  14381502, 550389,   9646838,  8131918,  11601434, 13423329, 9145406};
  REQUIRE(found.elements() == static_cast<std::int64_t>(expected.size()));
  for (std::size_t i = 0; i < expected.size(); ++i) {
    INFO("element " << i);
    CHECK(found.real(static_cast<std::int64_t>(i)) * 0x1p24 == expected[i]);
  }
}
