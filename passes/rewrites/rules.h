// The tables of rewrite rules; each is defined in passes/rewrites/<name>.cpp.
#pragma once

#include "ir/rewrite.h"

namespace dlc::passes {

// Of simplify().
ir::RuleTable algebra_rules();       // identities, neutral operands, conversions
ir::RuleTable movement_rules();      // reshapes, transposes, slices, pads
ir::RuleTable conv_rules();          // scales, shifts and normalisation into the weights of convolutions
ir::RuleTable matmul_rules();        // the same for matrix products; one orientation of weights
ir::RuleTable control_flow_rules();  // branches that are known
ir::RuleTable requantize_rules();    // scales of quantised results into the factors of integer sums

// Of raise_integers().
ir::RuleTable quantization_rules();

// Of raise_idioms().
ir::RuleTable normalization_rules();
ir::RuleTable activation_rules();
ir::RuleTable attention_rules();

}  // namespace dlc::passes
