// Patterns of names.
#pragma once

#include <string_view>

namespace dlc {

// '*' stands for any text, '?' for any character.
bool matches(std::string_view pattern, std::string_view text);

}  // namespace dlc
