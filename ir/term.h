// Term: a graph value in a formula. Arithmetic on terms makes nodes, so that a rule reads like mathematics.
#pragma once

#include <string_view>
#include <vector>

#include "ir/builder.h"

namespace dlc::ir {

class Term {
 public:
  Term(Builder& builder, Value* value) : builder_(&builder), value_(value) {}

  Value* value() const { return value_; }
  operator Value*() const { return value_; }  // NOLINT: where a node is made of it
  Builder& builder() const { return *builder_; }
  DType dtype() const { return value_->dtype(); }
  const Shape& shape() const { return value_->shape(); }

  // A scalar of this term's element type.
  Term number(double value) const { return {*builder_, builder_->like(value_, value)}; }
  // The operator of ai.onnx with this term as its first input.
  Term apply(std::string_view op, std::vector<Value*> more = {}, Builder::Attributes attributes = {}) const;
  Term cast(DType type) const { return {*builder_, builder_->cast(value_, type)}; }

 private:
  Builder* builder_;
  Value* value_;
};

Term operator+(const Term& a, const Term& b);
Term operator-(const Term& a, const Term& b);
Term operator*(const Term& a, const Term& b);
Term operator/(const Term& a, const Term& b);
Term operator-(const Term& a);
inline Term operator+(const Term& a, double b) { return a + a.number(b); }
inline Term operator+(double a, const Term& b) { return b.number(a) + b; }
inline Term operator-(const Term& a, double b) { return a - a.number(b); }
inline Term operator-(double a, const Term& b) { return b.number(a) - b; }
inline Term operator*(const Term& a, double b) { return a * a.number(b); }
inline Term operator*(double a, const Term& b) { return b.number(a) * b; }
inline Term operator/(const Term& a, double b) { return a / a.number(b); }
inline Term operator/(double a, const Term& b) { return b.number(a) / b; }

// Of bool.
Term operator<(const Term& a, const Term& b);
Term operator<=(const Term& a, const Term& b);
Term operator>(const Term& a, const Term& b);
Term operator>=(const Term& a, const Term& b);
Term equal(const Term& a, const Term& b);
inline Term operator<(const Term& a, double b) { return a < a.number(b); }
inline Term operator<=(const Term& a, double b) { return a <= a.number(b); }
inline Term operator>(const Term& a, double b) { return a > a.number(b); }
inline Term operator>=(const Term& a, double b) { return a >= a.number(b); }
inline Term equal(const Term& a, double b) { return equal(a, a.number(b)); }
Term operator&&(const Term& a, const Term& b);
Term operator!(const Term& a);
Term where(const Term& condition, const Term& a, const Term& b);
inline Term where(const Term& condition, const Term& a, double b) { return where(condition, a, a.number(b)); }
inline Term where(const Term& condition, double a, const Term& b) { return where(condition, b.number(a), b); }

inline Term exp(const Term& x) { return x.apply("Exp"); }
inline Term log(const Term& x) { return x.apply("Log"); }
inline Term sqrt(const Term& x) { return x.apply("Sqrt"); }
inline Term abs(const Term& x) { return x.apply("Abs"); }
inline Term sign(const Term& x) { return x.apply("Sign"); }
inline Term tanh(const Term& x) { return x.apply("Tanh"); }
inline Term sigmoid(const Term& x) { return x.apply("Sigmoid"); }
inline Term pow(const Term& x, const Term& y) { return x.apply("Pow", {y}); }
inline Term pow(const Term& x, double y) { return pow(x, x.number(y)); }

// ---- Shapes -----------------------------------------------------------------------------------------------

Term reshape(const Term& x, const Shape& shape);
Term transpose(const Term& x, std::vector<int64_t> perm);
Term transpose_matrices(const Term& x);  // exchanges the last two axes
// Repeats x, which broadcasts to the shape.
Term expand(const Term& x, const Shape& shape);
// Over the axes, which stay with extent 1.
Term sum(const Term& x, std::vector<int64_t> axes);
Term mean(const Term& x, std::vector<int64_t> axes);
// Zeros of an element type and shape.
Term zeros(Builder& builder, DType type, const Shape& shape);
inline Term zeros_like(const Term& x) { return zeros(x.builder(), x.dtype(), x.shape()); }
// A scalar of the type that holds an extent.
Term extent(Builder& builder, const Dim& extent, DType type);
// 0, 1, 2, ... of int64.
Term range(Builder& builder, const Dim& extent);

}  // namespace dlc::ir
