#include "ir/kernel/names.h"

namespace dlc::ir {

namespace {

constexpr Named<ExprOp> kExprOps[] = {
    {ExprOp::kAdd, "+"},
    {ExprOp::kSub, "-"},
    {ExprOp::kMul, "*"},
    {ExprOp::kDiv, "/"},
    {ExprOp::kFloorDiv, "floordiv"},
    {ExprOp::kMod, "mod"},
    {ExprOp::kTruncMod, "truncmod"},
    {ExprOp::kMin, "min"},
    {ExprOp::kMax, "max"},
    {ExprOp::kNeg, "neg"},
    {ExprOp::kAbs, "abs"},
    {ExprOp::kFma, "fma"},
    {ExprOp::kAnd, "and"},
    {ExprOp::kOr, "or"},
    {ExprOp::kXor, "xor"},
    {ExprOp::kNot, "not"},
    {ExprOp::kShl, "shl"},
    {ExprOp::kShr, "shr"},
    {ExprOp::kEq, "=="},
    {ExprOp::kNe, "!="},
    {ExprOp::kLt, "<"},
    {ExprOp::kLe, "<="},
    {ExprOp::kGt, ">"},
    {ExprOp::kGe, ">="},
    {ExprOp::kSelect, "select"},
    {ExprOp::kCast, "cast"},
    {ExprOp::kBitcast, "bitcast"},
    {ExprOp::kSqrt, "sqrt"},
    {ExprOp::kRsqrt, "rsqrt"},
    {ExprOp::kFloor, "floor"},
    {ExprOp::kCeil, "ceil"},
    {ExprOp::kRoundEven, "round_even"},
    {ExprOp::kTrunc, "trunc"},
    {ExprOp::kExp, "exp"},
    {ExprOp::kExp2, "exp2"},
    {ExprOp::kLog, "log"},
    {ExprOp::kLog2, "log2"},
    {ExprOp::kSin, "sin"},
    {ExprOp::kCos, "cos"},
    {ExprOp::kTan, "tan"},
    {ExprOp::kAsin, "asin"},
    {ExprOp::kAcos, "acos"},
    {ExprOp::kAtan, "atan"},
    {ExprOp::kSinh, "sinh"},
    {ExprOp::kCosh, "cosh"},
    {ExprOp::kTanh, "tanh"},
    {ExprOp::kAsinh, "asinh"},
    {ExprOp::kAcosh, "acosh"},
    {ExprOp::kAtanh, "atanh"},
    {ExprOp::kErf, "erf"},
    {ExprOp::kPow, "pow"},
    {ExprOp::kFmod, "fmod"},
    {ExprOp::kIsNan, "is_nan"},
    {ExprOp::kIsInf, "is_inf"},
    {ExprOp::kCopysign, "copysign"},
};
constexpr Named<BufferKind> kBufferKinds[] = {{BufferKind::kInput, "input"},
                                              {BufferKind::kOutput, "output"},
                                              {BufferKind::kConstant, "constant"},
                                              {BufferKind::kTemp, "temp"},
                                              {BufferKind::kState, "state"}};
constexpr Named<ViewKind> kViewKinds[] = {{ViewKind::kReshape, "reshape"},
                                          {ViewKind::kPermute, "permute"},
                                          {ViewKind::kSlice, "slice"},
                                          {ViewKind::kExpand, "expand"}};
constexpr Named<LoopKind> kLoopKinds[] = {
    {LoopKind::kSerial, "for"}, {LoopKind::kParallel, "parallel"}, {LoopKind::kVector, "vector"}};
constexpr Named<Combiner> kCombiners[] = {{Combiner::kSum, "sum"}, {Combiner::kProd, "prod"},
                                          {Combiner::kMin, "min"}, {Combiner::kMax, "max"},
                                          {Combiner::kAnd, "and"}, {Combiner::kOr, "or"}};
constexpr Named<AxisRole> kAxisRoles[] = {{AxisRole::kBatch, "batch"},
                                          {AxisRole::kM, "m"},
                                          {AxisRole::kN, "n"},
                                          {AxisRole::kK, "k"},
                                          {AxisRole::kWindow, "window"}};
constexpr Named<Algorithm> kAlgorithms[] = {{Algorithm::kNaive, "naive"},
                                            {Algorithm::kGemm, "gemm"},
                                            {Algorithm::kWinograd, "winograd"},
                                            {Algorithm::kDepthwise, "depthwise"}};
constexpr Named<RowGuard> kRowGuards[] = {
    {RowGuard::kNone, "none"}, {RowGuard::kNoKeys, "no_keys"}, {RowGuard::kNotANumber, "not_a_number"}};

}  // namespace

std::span<const Named<ExprOp>> expr_op_names() { return kExprOps; }
std::span<const Named<BufferKind>> buffer_kind_names() { return kBufferKinds; }
std::span<const Named<ViewKind>> view_kind_names() { return kViewKinds; }
std::span<const Named<LoopKind>> loop_kind_names() { return kLoopKinds; }
std::span<const Named<Combiner>> combiner_names() { return kCombiners; }
std::span<const Named<AxisRole>> axis_role_names() { return kAxisRoles; }
std::span<const Named<Algorithm>> algorithm_names() { return kAlgorithms; }
std::span<const Named<RowGuard>> row_guard_names() { return kRowGuards; }

bool is_comparison(ExprOp op) { return op >= ExprOp::kEq && op <= ExprOp::kGe; }

int arity_of(ExprOp op) {
  switch (op) {
    case ExprOp::kInt:
    case ExprOp::kFloat:
    case ExprOp::kVar:
    case ExprOp::kDim:
      return 0;
    case ExprOp::kLoad:
      return -1;
    case ExprOp::kFma:
    case ExprOp::kSelect:
      return 3;
    case ExprOp::kAdd:
    case ExprOp::kSub:
    case ExprOp::kMul:
    case ExprOp::kDiv:
    case ExprOp::kFloorDiv:
    case ExprOp::kMod:
    case ExprOp::kTruncMod:
    case ExprOp::kMin:
    case ExprOp::kMax:
    case ExprOp::kAnd:
    case ExprOp::kOr:
    case ExprOp::kXor:
    case ExprOp::kShl:
    case ExprOp::kShr:
    case ExprOp::kEq:
    case ExprOp::kNe:
    case ExprOp::kLt:
    case ExprOp::kLe:
    case ExprOp::kGt:
    case ExprOp::kGe:
    case ExprOp::kPow:
    case ExprOp::kFmod:
    case ExprOp::kCopysign:
      return 2;
    default:
      return 1;
  }
}

}  // namespace dlc::ir
