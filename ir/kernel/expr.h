// Scalar expressions of the Kernel IR: immutable trees shared by reference.
//
// Semantics. Integers wrap around in their type; integer division truncates towards zero (kDiv) or rounds
// towards minus infinity (kFloorDiv, with kMod of the divisor's sign); dividing an integer by zero is
// undefined unless the lowering guards it. Floats follow IEEE 754 with round to nearest; kMin/kMax propagate
// NaN. Comparisons give bool. Index arithmetic is int64. Math functions (kExp and after) are opaque until
// expand_math(): they mean the correctly rounded result of the argument's type, and an implementation states
// its ULP bound.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/dim.h"
#include "runtime/dtype.h"

namespace dlc::ir {

enum class BufferId : int32_t { kNone = -1 };
enum class VarId : int32_t { kNone = -1 };

enum class ExprOp : uint8_t {
  kInt,    // constant of an integer type or bool
  kFloat,  // constant of a float type
  kVar,    // loop variable (int64), let, or accumulator
  kDim,    // the run-time value of a Dim, int64
  kLoad,   // buffer[args...], one index per axis of the buffer's shape
  // arithmetic
  kAdd,
  kSub,
  kMul,
  kDiv,
  kFloorDiv,
  kMod,
  kTruncMod,
  kMin,
  kMax,
  kNeg,
  kAbs,
  kFma,  // a * b + c rounded once
  // bits and logic (kAnd.. on integers and bool)
  kAnd,
  kOr,
  kXor,
  kNot,
  kShl,
  kShr,
  // comparison, both arguments of one type
  kEq,
  kNe,
  kLt,
  kLe,
  kGt,
  kGe,
  kSelect,  // args[0] ? args[1] : args[2]; both sides may be evaluated, loads of the unchosen side are not
            // performed
  kCast,  // to `type`; float to integer truncates, saturates where out of range, NaN to 0; to bool: != 0; to
          // a small float rounds to nearest even, what is too large becomes infinity or, where there is none,
          // NaN
  kBitcast,  // same bits, same width
  // math functions
  kSqrt,
  kRsqrt,
  kFloor,
  kCeil,
  kRoundEven,
  kTrunc,
  kExp,
  kExp2,
  kLog,
  kLog2,
  kSin,
  kCos,
  kTan,
  kAsin,
  kAcos,
  kAtan,
  kSinh,
  kCosh,
  kTanh,
  kAsinh,
  kAcosh,
  kAtanh,
  kErf,
  kPow,
  kFmod,
  kIsNan,
  kIsInf,
  kCopysign,
};

struct ExprNode;
class Expr {
 public:
  Expr() = default;
  explicit Expr(std::shared_ptr<const ExprNode> node) : node_(std::move(node)) {}
  explicit operator bool() const { return node_ != nullptr; }
  const ExprNode* operator->() const { return node_.get(); }
  const ExprNode& operator*() const { return *node_; }
  const ExprNode* get() const { return node_.get(); }
  DType type() const;

 private:
  std::shared_ptr<const ExprNode> node_;
};

struct ExprNode {
  ExprOp op;
  DType type;
  std::vector<Expr> args = {};
  int64_t integer = 0;                // kInt
  double real = 0;                    // kFloat
  VarId var = VarId::kNone;           // kVar
  BufferId buffer = BufferId::kNone;  // kLoad
  Dim dim = {};                       // kDim
};

// Construction. Binary operations require equal types (CHECK); they fold constants and identities of index
// arithmetic (x+0, x*1, (a*c + b) / c with 0 <= b < c is left to simplify()).
Expr integer(int64_t value, DType type = DType::kInt64);
Expr real(double value, DType type = DType::kFloat);
Expr constant(DType type, double value);  // integer or real by type
Expr boolean(bool value);
Expr var(VarId id, DType type = DType::kInt64);
Expr dim(const Dim& value);  // kInt when constant
Expr load(BufferId buffer, DType type, std::vector<Expr> index);
Expr make(ExprOp op, DType type, std::vector<Expr> args);
Expr unary(ExprOp op, Expr a);
Expr binary(ExprOp op, Expr a, Expr b);
Expr select(Expr condition, Expr a, Expr b);
Expr cast(Expr value, DType type);

inline Expr operator+(const Expr& a, const Expr& b) { return binary(ExprOp::kAdd, a, b); }
inline Expr operator-(const Expr& a, const Expr& b) { return binary(ExprOp::kSub, a, b); }
inline Expr operator*(const Expr& a, const Expr& b) { return binary(ExprOp::kMul, a, b); }
inline Expr operator/(const Expr& a, const Expr& b) { return binary(ExprOp::kDiv, a, b); }
inline Expr operator-(const Expr& a) { return unary(ExprOp::kNeg, a); }
inline Expr operator<(const Expr& a, const Expr& b) { return binary(ExprOp::kLt, a, b); }
inline Expr operator<=(const Expr& a, const Expr& b) { return binary(ExprOp::kLe, a, b); }
inline Expr operator>(const Expr& a, const Expr& b) { return binary(ExprOp::kGt, a, b); }
inline Expr operator>=(const Expr& a, const Expr& b) { return binary(ExprOp::kGe, a, b); }
inline Expr operator&&(const Expr& a, const Expr& b) { return binary(ExprOp::kAnd, a, b); }
inline Expr operator||(const Expr& a, const Expr& b) { return binary(ExprOp::kOr, a, b); }
// Comparison of identity is not ==, to keep it from being mistaken for the expression kEq.
Expr equal(const Expr& a, const Expr& b);
Expr not_equal(const Expr& a, const Expr& b);
Expr min(const Expr& a, const Expr& b);
Expr max(const Expr& a, const Expr& b);

bool same(const Expr& a, const Expr& b);  // structural equality

// Bottom-up rewriting; `f` gets a node whose arguments are rewritten and returns a replacement or an empty
// Expr.
Expr rewrite(const Expr& e, const std::function<Expr(const Expr&)>& f);
void visit(const Expr& e, const std::function<void(const ExprNode&)>& f);  // pre-order; shared nodes once
Expr substitute(const Expr& e, const std::function<Expr(VarId)>& replacement);  // empty: keep the variable
bool uses_var(const Expr& e, VarId id);
int count_nodes(const Expr& e);  // of the tree

// e = coefficient * v + rest, with coefficient and rest free of v; nothing if e is not affine in v.
struct Affine {
  Expr coefficient;
  Expr rest;
};
std::optional<Affine> affine_in(const Expr& e, VarId v);

std::string to_string(const Expr& e);

}  // namespace dlc::ir
