// Unary operations and math functions. Functions that expand_math() leaves opaque become calls of libm, lane
// by lane.
#include <llvm/IR/Intrinsics.h>
#include <llvm/IR/Module.h>

#include "codegen/emit.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::ExprNode;
using ir::ExprOp;
namespace Intrinsic = llvm::Intrinsic;

namespace {

const char* libm_name(ExprOp op) {
  switch (op) {
    case ExprOp::kExp:
      return "exp";
    case ExprOp::kExp2:
      return "exp2";
    case ExprOp::kLog:
      return "log";
    case ExprOp::kLog2:
      return "log2";
    case ExprOp::kSin:
      return "sin";
    case ExprOp::kCos:
      return "cos";
    case ExprOp::kTan:
      return "tan";
    case ExprOp::kAsin:
      return "asin";
    case ExprOp::kAcos:
      return "acos";
    case ExprOp::kAtan:
      return "atan";
    case ExprOp::kSinh:
      return "sinh";
    case ExprOp::kCosh:
      return "cosh";
    case ExprOp::kTanh:
      return "tanh";
    case ExprOp::kAsinh:
      return "asinh";
    case ExprOp::kAcosh:
      return "acosh";
    case ExprOp::kAtanh:
      return "atanh";
    case ExprOp::kErf:
      return "erf";
    case ExprOp::kPow:
      return "pow";
    case ExprOp::kFmod:
      return "fmod";
    default:
      return nullptr;
  }
}

// Calls a libm function on scalars of float or double; smaller floats pass through float.
llvm::Value* call_libm(llvm::IRBuilder<>& builder, const char* name, std::vector<llvm::Value*> args) {
  llvm::Type* type = args[0]->getType();
  const bool is_double = type->isDoubleTy();
  llvm::Type* compute = is_double ? type : builder.getFloatTy();
  for (llvm::Value*& arg : args) arg = builder.CreateFPCast(arg, compute);
  llvm::Module* module = builder.GetInsertBlock()->getModule();
  std::vector<llvm::Type*> parameters(args.size(), compute);
  auto callee = module->getOrInsertFunction(is_double ? std::string(name) : std::string(name) + "f",
                                            llvm::FunctionType::get(compute, parameters, false));
  llvm::CallInst* call = builder.CreateCall(callee, args);
  call->setDoesNotAccessMemory();
  call->setDoesNotThrow();
  return builder.CreateFPCast(call, type);
}

llvm::Value* call_lanes(llvm::IRBuilder<>& builder, const char* name, const std::vector<llvm::Value*>& args) {
  auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(args[0]->getType());
  if (!vector) return call_libm(builder, name, args);
  llvm::Value* result = llvm::PoisonValue::get(vector);
  for (unsigned lane = 0; lane < vector->getNumElements(); ++lane) {
    std::vector<llvm::Value*> scalars;
    for (llvm::Value* arg : args) scalars.push_back(builder.CreateExtractElement(arg, lane));
    result = builder.CreateInsertElement(result, call_libm(builder, name, scalars), lane);
  }
  return result;
}

}  // namespace

llvm::Value* KernelEmitter::emit_math(const ExprNode& e, const std::vector<llvm::Value*>& args) {
  llvm::Value* a = args[0];
  const bool floating = is_float(e.args[0].type());
  switch (e.op) {
    case ExprOp::kNeg:
      return floating ? builder.CreateFNeg(a) : builder.CreateNeg(a);
    case ExprOp::kNot:
      return builder.CreateNot(a);
    case ExprOp::kAbs:
      if (floating) return builder.CreateUnaryIntrinsic(Intrinsic::fabs, a);
      return is_signed(e.type) ? builder.CreateBinaryIntrinsic(Intrinsic::abs, a, builder.getFalse()) : a;
    case ExprOp::kFma:
      return builder.CreateIntrinsic(Intrinsic::fma, {a->getType()}, args);
    case ExprOp::kSqrt:
      return builder.CreateUnaryIntrinsic(Intrinsic::sqrt, a);
    case ExprOp::kRsqrt:
      return builder.CreateFDiv(llvm::ConstantFP::get(a->getType(), 1.0),
                                builder.CreateUnaryIntrinsic(Intrinsic::sqrt, a));
    case ExprOp::kFloor:
      return builder.CreateUnaryIntrinsic(Intrinsic::floor, a);
    case ExprOp::kCeil:
      return builder.CreateUnaryIntrinsic(Intrinsic::ceil, a);
    case ExprOp::kRoundEven:
      return builder.CreateUnaryIntrinsic(Intrinsic::roundeven, a);
    case ExprOp::kTrunc:
      return builder.CreateUnaryIntrinsic(Intrinsic::trunc, a);
    case ExprOp::kCopysign:
      return builder.CreateBinaryIntrinsic(Intrinsic::copysign, a, args[1]);
    case ExprOp::kIsNan:
      return builder.CreateFCmpUNO(a, a);
    case ExprOp::kIsInf: {
      llvm::Value* magnitude = builder.CreateUnaryIntrinsic(Intrinsic::fabs, a);
      return builder.CreateFCmpOEQ(magnitude, llvm::ConstantFP::getInfinity(a->getType()));
    }
    default:
      break;
  }
  const char* name = libm_name(e.op);
  check(name != nullptr, "an operation that has an emission");
  return call_lanes(builder, name, args);
}

}  // namespace dlc::codegen
