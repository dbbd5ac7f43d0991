// Samples between the elements of an image: elements along every axis with weights, blended.
#pragma once

#include <functional>
#include <vector>

#include "ir/ops/lower_util.h"

namespace dlc::ir {

// One of the elements along an axis that a sample is blended from.
struct AxisTap {
  Expr index;
  Expr weight = {};  // empty: 1, of the only tap
  Expr inside = {};  // empty: the index is in the image; else elements where it does not hold count as 0
};

// sum over one tap of every axis of element(indices) * their weights. An element is in the weights' type.
Expr blend(const std::vector<std::vector<AxisTap>>& axes, const std::function<Expr(const Index&)>& element);

// Whether an integer coordinate lies on an axis.
Expr is_inside(const Expr& coordinate, const Dim& extent);
// The elements left and right of a coordinate, with the weights of linear interpolation. The coordinate
// should be a variable: it is used often.
std::vector<AxisTap> linear_taps(const Expr& coordinate, const Dim& extent);
// The weights of the four elements around a coordinate that is `fraction` right of the second, in cubic
// convolution with the parameter a.
std::vector<Expr> cubic_weights(const Expr& fraction, double a);
// Their derivatives by the coordinate.
std::vector<Expr> cubic_slopes(const Expr& fraction, double a);

// Scalars at a place of the output, before the loop over channels.
class PlaceBody {
 public:
  explicit PlaceBody(LowerContext& context) : context_(context) {}
  Expr define(const Expr& value);
  void define_all(std::vector<AxisTap>& taps);
  void add(Stmt stmt) { body_.push_back(std::move(stmt)); }
  Block take() { return std::move(body_); }

 private:
  LowerContext& context_;
  Block body_;
};

// Fails the run where elements of a `target` are to be made of an image without any.
void check_image(LowerContext& context, const Shape& image, const Shape& target);

}  // namespace dlc::ir
