// Dequantised values, as rewrite rules see them.
#pragma once

#include <optional>
#include <string>

#include "ir/builder.h"

namespace dlc::passes {

// A float32 value that is scale * (elements - zero point).
struct Quantized {
  ir::Node* node = nullptr;         // the DequantizeLinear
  ir::Value* elements = nullptr;    // of int8 or uint8
  ir::Value* scale = nullptr;       // one element, or one a slice of `axis`
  ir::Value* zero_point = nullptr;  // likewise; null: 0
  std::optional<size_t> axis = {};
};

// Of a value that a DequantizeLinear of bytes makes; not by blocks.
std::optional<Quantized> quantized(const ir::Value* value);

// Why a convolution or matrix product does not run on integers though an input of it is dequantised; nothing
// where none is.
std::optional<std::string> why_not_integer(const ir::Node& node);

}  // namespace dlc::passes
