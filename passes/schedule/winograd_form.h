// A contraction seen as a convolution whose window has three or five neighbouring taps along two axes.
#pragma once

#include <optional>
#include <vector>

#include "ir/kernel/kernel.h"

namespace dlc::passes {

// One of the two axes along which outputs are computed in tiles: A is read at output + tap + offset.
struct WinogradAxis {
  ir::ContractionAxis output;
  ir::ContractionAxis tap;
  size_t a_axis = 0;
  int64_t offset = 0;
};

struct WinogradForm {
  int taps = 3;  // along the row and along the column
  WinogradAxis row;
  WinogradAxis column;
  std::vector<ir::ContractionAxis> images;   // output axes that no window touches, outermost first
  std::vector<ir::ContractionAxis> depth;    // output axes along which further windows slide
  std::vector<ir::ContractionAxis> windows;  // the taps of these
  std::vector<size_t> frame_axes;            // axes of A that depth and windows move
  ir::ContractionAxis n;
  ir::ContractionAxis k;
};

// Nothing for contractions of another form, of other types than float, or where the storage order of A or of
// the output does not suit.
std::optional<WinogradForm> winograd_form(const ir::Program& program, const ir::Contraction& contraction);

}  // namespace dlc::passes
