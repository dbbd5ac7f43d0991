// Where the outputs of Resize lie on one axis of the input, and with which weights they are blended from it:
// computed once an axis, not once an element.
#pragma once

#include <optional>
#include <string_view>

#include "ir/ops/lower_util.h"

namespace dlc::ir {

enum class ResizeMode : uint8_t { kNearest, kLinear, kCubic };
enum class ResizeCoordinates : uint8_t {
  kHalfPixel,
  kHalfPixelSymmetric,
  kPytorchHalfPixel,
  kTfHalfPixelForNearest,
  kAlignCorners,
  kAsymmetric,
  kTfCropAndResize,
};
enum class ResizeRounding : uint8_t {
  kPreferFloor,
  kPreferCeil,
  kFloor,
  kCeil,
  kDownsampleCeil,  // ceil where the axis shrinks, else floor: Resize before version 11
};
enum class ResizePolicy : uint8_t { kStretch, kNotLarger, kNotSmaller };

// The attributes of a node; nothing for a name that does not exist.
std::optional<ResizeMode> resize_mode(std::string_view name);
std::optional<ResizeCoordinates> resize_coordinates(std::string_view name);
std::optional<ResizeRounding> resize_rounding(std::string_view name);
std::optional<ResizePolicy> resize_policy(std::string_view name);

struct ResizeFilter {
  ResizeMode mode = ResizeMode::kNearest;
  ResizeCoordinates coordinates = ResizeCoordinates::kHalfPixel;
  ResizeRounding rounding = ResizeRounding::kPreferFloor;
  bool antialias = false;
  bool exclude_outside = false;
  double cubic_a = -0.75;
};

// The type in which coordinates are computed. Nearest neighbours jump where a coordinate meets an integer or
// a half: there the scale's own precision makes quotients that should be integers come out as integers.
DType coordinate_type(const ResizeFilter& filter);

// One axis that is resized. Expressions are of the coordinate type.
struct ResizeAxis {
  size_t axis = 0;
  Dim input = {};
  Dim output = {};
  Dim taps = 1;  // input elements that an output element is blended from
  Expr scale = {};
  Expr width = {};      // of the output before it is rounded to an extent
  Expr roi_start = {};  // of kTfCropAndResize
  Expr roi_end = {};
};

// The elements from which output element o is blended: index[t, o] with weight[t, o], for t in [0, taps).
struct ResizeTable {
  size_t axis;
  Dim taps;
  BufferId index;
  BufferId weight = BufferId::kNone;  // of nearest neighbours: none
  BufferId inside = BufferId::kNone;  // of kTfCropAndResize: whether o lies inside the input, bool [output]
};

// The number of taps to each side of a coordinate, before antialiasing widens it.
int64_t filter_radius(const ResizeFilter& filter);
// Emits the kernel that fills the table. `weight_type` is float or double.
ResizeTable make_resize_table(LowerContext& context, const ResizeAxis& axis, const ResizeFilter& filter,
                              DType weight_type);

}  // namespace dlc::ir
