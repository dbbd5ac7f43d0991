// Fourier transforms.
#include "ir/ops/gradients/rules.h"
#include "ir/ops/runtime_dims.h"

namespace dlc::ir {
namespace {

// A transform of a node with the gradient's needs; numbers of bins and samples are along `axis`.
struct Transform {
  bool inverse;
  bool onesided;
  size_t axis;
  Dim length;  // of the full transform
};

Transform transform_of(GradientContext& context) {
  const Node& node = context.node();
  const Shape& x = context.input(0)->shape();
  const auto last = static_cast<int64_t>(x.size());
  int64_t axis = -2;
  if (context.input(2) != nullptr) {
    auto known = known_ints(context.input(2));
    if (!known || known->size() != 1) context.fail("its axis is known only during the run");
    axis = known->front();
  }
  Transform result{node.attribute<int64_t>("inverse", 0) != 0,
                   node.attribute<int64_t>("onesided", 0) != 0,
                   static_cast<size_t>(axis < 0 ? axis + last : axis),
                   {}};
  result.length = context.output()->shape()[result.axis];
  if (!result.onesided || result.inverse) return result;
  result.length = x[result.axis];
  if (context.input(1) == nullptr) return result;
  auto length = known_values(context.input(1));
  if (!length || length->size() != 1) context.fail("its dft_length is known only during the run");
  result.length = length->front();
  return result;
}

Term dft(const Term& x, const Transform& transform, bool inverse, bool onesided) {
  Builder& builder = x.builder();
  Value* axis = reshape(Term(builder, builder.ints({static_cast<int64_t>(transform.axis)})), {});
  return x.apply("DFT", {nullptr, axis}, {{"inverse", int64_t{inverse}}, {"onesided", int64_t{onesided}}});
}

// Zeros behind the elements of an axis, or only the first elements, so that there are `length`.
Term fitted(GradientContext& context, const Term& x, size_t axis, const Dim& length) {
  Builder& builder = context.builder();
  const Dim missing = length - x.shape()[axis];
  if (missing == Dim(0)) return x;
  std::vector<Dim> pads(2 * x.shape().size());
  pads[x.shape().size() + axis] = missing;
  return x.apply("Pad", {builder.dims(pads)});
}

// The factors of the bins of a transform whose other half is their mirror image: the first bin, and the last
// of an even length, stand for themselves alone.
Term mirror_factors(const Term& x, const Transform& transform) {
  Builder& builder = x.builder();
  Term bin = range(builder, x.shape()[transform.axis]);
  Term length(builder, builder.dims({transform.length}));
  Term has_mirror = !equal(bin, 0) && !equal(2 * bin, length);
  Shape shape(x.shape().size(), 1);
  shape[transform.axis] = x.shape()[transform.axis];
  return reshape(where(has_mirror, x.number(2), x.number(1)), shape);
}

// Transforms are linear. The transpose of a transform is the conjugate one, which is the inverse but for a
// factor of the length.
void dft_gradient(GradientContext& context) {
  const Transform transform = transform_of(context);
  const Shape& x = context.input(0)->shape();
  Term dy = grad(context);
  const Term length = extent(context.builder(), transform.length, dy.dtype()).cast(dy.dtype());
  if (!transform.inverse) {
    dy = dft(fitted(context, dy, transform.axis, transform.length), transform, true, false) * length;
  } else if (transform.onesided) {
    dy = dft(dy, transform, false, true) / length;
    dy = dy * mirror_factors(dy, transform);
  } else {
    dy = dft(dy, transform, false, false) / length;
  }
  dy = fitted(context, dy, transform.axis, x[transform.axis]);
  // Of a real signal the real part.
  context.set(0, fitted(context, dy, x.size() - 1, x.back()));
}

constexpr GradientRule kRules[] = {{"DFT", dft_gradient}};

}  // namespace

std::span<const GradientRule> signal_gradients() { return kRules; }

}  // namespace dlc::ir
