#include "tools/exit_codes.h"

int main() { return nnc::tools::exit_usage; }
