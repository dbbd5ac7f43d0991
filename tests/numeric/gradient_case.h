// Cases of gradient tests: graphs in text form with what their inputs are drawn from.
#pragma once

#include <map>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "runtime/tensor.h"

namespace dlc::test {

// How the elements of an input are drawn.
struct Draw {
  double low = 0.25;      // of the magnitude, unless `signs` is off
  double high = 1.5;      //
  bool signs = true;      // magnitudes get a random sign
  bool distinct = false;  // no two elements are closer than a tenth of their mean distance
};

// A file holds cases,
//
//   === title
//   draw x 0.1 2            elements of x in (0.1, 2); integers in [0, 3) for "draw i 0 3"
//   draw x distinct         no two elements near one another
//   let batch = 3           the value of a symbol
//   constant x              no gradient is asked for
//   zero x                  the gradient must be the symbolic zero
//   graph ...
//
// By default floats have magnitudes in (0.25, 1.5) and random signs: no function has a kink near.
struct GradientCase {
  std::string file = "";
  std::string title = "";
  std::string text = "";  // of the graph
  std::map<std::string, Draw> draws = {};
  std::map<std::string, int64_t> symbols = {};
  std::set<std::string> constants = {};
  std::set<std::string> zeros = {};
};

void PrintTo(const GradientCase& item, std::ostream* stream);  // for GoogleTest

// All cases of a folder of the source tree.
std::vector<GradientCase> read_gradient_cases(const std::string& folder);

// The input of a case, by its type.
Tensor draw_input(const GradientCase& item, const ir::Value& input, uint64_t seed);

}  // namespace dlc::test
