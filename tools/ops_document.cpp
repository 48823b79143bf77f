// Writes docs/ops.md, the list of ops, from their records: ops_document OUT.
#include "ir/doc.h"

#include <fstream>
#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: ops_document OUT\n";
    return 2;
  }
  std::ofstream out(argv[1], std::ios::binary);
  out << nnc::ir::ops_document();
  out.flush();
  return out ? 0 : 1;
}
