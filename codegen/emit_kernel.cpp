#include "codegen/emit_kernel.h"

#include "ir/kernel/linear.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::Dim;

namespace {

llvm::FunctionType* function_type(llvm::LLVMContext& context, std::vector<llvm::Type*> arguments) {
  return llvm::FunctionType::get(llvm::Type::getVoidTy(context), arguments, false);
}

llvm::FunctionType* kernel_type(llvm::LLVMContext& context) {
  llvm::Type* pointer = llvm::PointerType::getUnqual(context);
  llvm::Type* i64 = llvm::Type::getInt64Ty(context);
  return function_type(context, {pointer, pointer, i64, i64, pointer});
}

llvm::Function* make_function(llvm::Module& module, const Target& target, const std::string& name,
                              llvm::FunctionType* type, llvm::GlobalValue::LinkageTypes linkage) {
  auto* function = llvm::Function::Create(type, linkage, name, module);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  function->addFnAttr("target-cpu", target.cpu);
  if (!target.features.empty()) function->addFnAttr("target-features", target.features);
  function->addFnAttr("prefer-vector-width", std::to_string(target.vector_bits));
  function->addFnAttr("no-trapping-math", "true");
  for (unsigned i = 0; i < type->getNumParams(); ++i) {
    if (type->getParamType(i)->isPointerTy()) function->addParamAttr(i, llvm::Attribute::NoAlias);
  }
  return function;
}

constexpr int64_t kUnknownTrips = 16;  // of a loop whose bounds depend on others in an unknown way

// The arguments of nested kMin or kMax.
void flatten(const ir::Expr& e, ir::ExprOp op, std::vector<ir::Expr>& out) {
  if (e->op != op) return out.push_back(e);
  for (const ir::Expr& arg : e->args) flatten(arg, op, out);
}

// At least the iterations of a loop with bounds like max(0, 1 - v) and min(3, n - v): the least distance that
// does not depend on other loops.
Dim trip_count(const ir::For& loop) {
  std::vector<ir::Expr> begins, ends;
  flatten(loop.begin, ir::ExprOp::kMax, begins);
  flatten(loop.end, ir::ExprOp::kMin, ends);
  std::optional<Dim> least;
  for (const ir::Expr& begin : begins) {
    for (const ir::Expr& end : ends) {
      const ir::Linear distance = ir::linear_of(end) - ir::linear_of(begin);
      if (distance.terms.empty()) least = least ? min(*least, distance.constant) : distance.constant;
    }
  }
  return least.value_or(Dim(kUnknownTrips));
}

// Iterations of all loops of a block, as if every loop ran in full: the measure behind the work estimate.
Dim iterations(const ir::Block& block) {
  Dim total = 0;
  Dim statements = 0;
  for (const ir::Stmt& stmt : block) {
    if (auto* loop = std::get_if<ir::For>(&stmt.node)) {
      total += trip_count(*loop) * iterations(loop->body);
    } else if (auto* branch = std::get_if<ir::If>(&stmt.node)) {
      total += iterations(branch->then_body);
    } else {
      statements = 1;
    }
  }
  return total + statements;
}

int64_t operations(const ir::Kernel& kernel) {
  int64_t count = 0;
  ir::visit_exprs(kernel, [&](const ir::Expr& e) { ir::visit(e, [&](const ir::ExprNode&) { ++count; }); });
  return count;
}

Dim work_of(const ir::Kernel& kernel, const ir::Block& body) {
  try {
    return ir::floor_div(iterations(body) * Dim(operations(kernel)), Dim(32)) + Dim(1);
  } catch (const Error&) {
    return INT64_MAX;  // more than can be counted
  }
}

void emit_loop_nest(KernelEmitter& emitter, const ir::Kernel& kernel, const ir::LoopNest& nest) {
  const ir::Block* body = &nest.body;
  std::vector<const ir::For*> tasks;
  std::vector<Dim> extents;
  while (body->size() == 1 && std::holds_alternative<ir::For>(body->front().node)) {
    const ir::For& loop = std::get<ir::For>(body->front().node);
    if (loop.kind != ir::LoopKind::kParallel) break;
    tasks.push_back(&loop);
    extents.push_back(loop.end->op == ir::ExprOp::kInt ? Dim(loop.end->integer) : loop.end->dim);
    body = &loop.body;
  }
  emitter.signature.task_count = ir::product(extents);
  emitter.signature.work = work_of(kernel, nest.body);
  llvm::Function* function = emitter.builder.GetInsertBlock()->getParent();
  emit_for(emitter.builder, function->getArg(2), function->getArg(3), emitter.index(1), "task",
           [&](llvm::Value* task) {
             std::vector<llvm::Value*> at = unflatten(emitter, task, extents);
             for (size_t i = 0; i < tasks.size(); ++i) emitter.vars[tasks[i]->var] = at[i];
             emitter.emit(*body);
           });
}

}  // namespace

llvm::Function* make_tile_function(llvm::Module& module, const Target& target, const std::string& name,
                                   int numbers, int pointers) {
  llvm::Type* pointer = llvm::PointerType::getUnqual(module.getContext());
  std::vector<llvm::Type*> arguments(static_cast<size_t>(2 + pointers), pointer);
  for (int i = 0; i < numbers; ++i) arguments.push_back(llvm::Type::getInt64Ty(module.getContext()));
  return make_function(module, target, name, function_type(module.getContext(), arguments),
                       llvm::GlobalValue::InternalLinkage);
}

std::vector<llvm::Value*> unflatten(KernelEmitter& emitter, llvm::Value* flat,
                                    const std::vector<Dim>& extents) {
  std::vector<llvm::Value*> at(extents.size());
  for (size_t i = extents.size(); i-- > 0;) {
    if (i == 0) {
      at[i] = flat;
    } else if (extents[i] == Dim(1)) {
      at[i] = emitter.index(0);
    } else {
      llvm::Value* extent = emitter.dim(extents[i]);
      at[i] = emitter.builder.CreateURem(flat, extent);
      flat = emitter.builder.CreateUDiv(flat, extent);
    }
  }
  return at;
}

llvm::Function* declare_kernel(llvm::Module& module, const std::string& name) {
  if (llvm::Function* known = module.getFunction(name)) return known;
  auto* function = llvm::Function::Create(kernel_type(module.getContext()),
                                          llvm::GlobalValue::ExternalLinkage, name, module);
  function->setVisibility(llvm::GlobalValue::HiddenVisibility);
  return function;
}

KernelSignature emit_kernel(llvm::Module& module, const ir::Program& program, const Target& target,
                            const ir::Kernel& kernel, const std::string& name) {
  KernelSignature signature;
  llvm::Function* function = make_function(module, target, name, kernel_type(module.getContext()),
                                           llvm::GlobalValue::ExternalLinkage);
  KernelEmitter emitter(function, program, target, signature);
  if (auto* nest = std::get_if<ir::LoopNest>(&kernel.body)) {
    emit_loop_nest(emitter, kernel, *nest);
  } else if (auto* contraction = std::get_if<ir::Contraction>(&kernel.body)) {
    switch (contraction->schedule.algorithm) {
      case ir::Algorithm::kGemm:
        emit_gemm(emitter, *contraction, name);
        break;
      case ir::Algorithm::kDepthwise:
        emit_depthwise(emitter, *contraction);
        break;
      case ir::Algorithm::kWinograd:
        emit_winograd(emitter, *contraction, name);
        break;
      case ir::Algorithm::kNaive:
        fail(ErrorKind::kInternal, "a contraction without a schedule");
    }
  } else if (auto* attention = std::get_if<ir::Attention>(&kernel.body)) {
    emit_attention(emitter, *attention, name);
  } else {
    fail(ErrorKind::kInternal, "a call of a runtime kernel has no function of its own");
  }
  emitter.builder.CreateRetVoid();
  return signature;
}

}  // namespace dlc::codegen
