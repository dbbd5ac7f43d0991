// B of a matrix product in panels of columns.
#pragma once

#include <functional>

#include "passes/schedule/constant_walk.h"
#include "passes/schedule/gemm_form.h"

namespace dlc::passes {

inline constexpr int64_t kPanelColumns = 16;

// The axes of packed B from outermost to innermost, with the panel and the column in it in place of n, and
// `group` elements along k behind each other. Its shape is
// [batch..., ceil(N / 16), windows..., ceil(K / group), 16], and [..., group] where that is more than 1.
struct PanelLayout {
  std::vector<ir::ContractionAxis> batch;  // that B has
  ir::ContractionAxis n;
  std::vector<ir::ContractionAxis> windows;
  ir::ContractionAxis k;
  int64_t group = 1;
  ir::Shape shape;
};

PanelLayout panel_layout(const ir::Contraction& contraction, const GemmForm& form, int64_t group = 1);

// Index of packed B in terms of the contraction's variables.
std::vector<ir::Expr> packed_index(const PanelLayout& layout);

// The elements of a constant in the layout, which is static, with zeros beyond N and K.
Tensor pack_constant(const Tensor& constant, const ConstantWalk& walk, const PanelLayout& layout);

// A kernel that packs B at run time: `element` of what B holds, zeros beyond N and K.
ir::Kernel pack_kernel(ir::Program& program, const ir::Contraction& contraction, const PanelLayout& layout,
                       ir::BufferId packed, const std::function<ir::Expr(const ir::Expr&)>& element);

}  // namespace dlc::passes
