// Strings as constants of kernels: in the form of runtime/format/strings.h.
#pragma once

#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::ir {

// The strings one after the other, as bytes.
Tensor packed_strings(const std::vector<std::string>& strings);

// What dlc_string_find() takes: the strings, where each begins among their bytes, and a hash table of their
// numbers (-1: free) whose length is a power of two. Of equal strings the first is found.
struct StringTable {
  Tensor strings;
  Tensor offsets;
  Tensor table;
};
StringTable make_string_table(const std::vector<std::string>& strings);

}  // namespace dlc::ir
