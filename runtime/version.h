#pragma once

namespace dlc {

// "0.1.0".
const char* version();

}  // namespace dlc
