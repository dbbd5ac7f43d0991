#include "runtime/version.h"

namespace dlc {

const char* version() { return DLC_VERSION; }

}  // namespace dlc
