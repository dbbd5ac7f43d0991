// The operators of all known domains: what their schemas say, and how dlc takes them.
#pragma once

#include <string>
#include <vector>

#include "ir/op.h"

namespace dlc::frontend {

struct ListedOperator {
  std::string domain;  // "" is ai.onnx
  std::string name;
  // Of its schema, ascending, without those that are older than the first opset that dlc reads.
  std::vector<int> versions = {};
  int removed = 0;                    // the opset that does not have it any more, or 0
  std::vector<DType> types = {};      // of the first input, or of the output where there is none
  bool is_function = false;           // has a definition in simpler operators in its schema
  const ir::OpDef* record = nullptr;  // null: imported as its definition, or not at all
};

// By domain and name.
std::vector<ListedOperator> list_operators();

}  // namespace dlc::frontend
