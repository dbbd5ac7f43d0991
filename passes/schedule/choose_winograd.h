// Which convolutions run by minimal filtering.
#pragma once

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// Sets winograd_tile of every contraction that F(2, 3), F(4, 3) or F(2, 5) makes faster. Transformed weights
// are 1.8, 4 or 1.4 times as large: where the program's constants would grow by more than the share `growth`,
// the layers that gain most for a byte are taken.
void choose_winograd(ir::Program& program, double growth);

}  // namespace dlc::passes
