// What a KernelEmitter keeps for a whole function: pointers, Dims, slots, alias scopes.
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>

#include <algorithm>

#include "codegen/emit.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::BufferId;
using ir::Dim;

KernelEmitter::KernelEmitter(llvm::Function* function, const ir::Program& program, const Target& target,
                             KernelSignature& signature)
    : builder(function->getContext()),
      program(program),
      target(target),
      signature(signature),
      function_(function) {
  auto* entry = llvm::BasicBlock::Create(function->getContext(), "entry", function);
  auto* body = llvm::BasicBlock::Create(function->getContext(), "body", function);
  llvm::IRBuilder<>(entry).CreateBr(body);
  builder.SetInsertPoint(body);
}

llvm::Type* KernelEmitter::scalar_type(DType type) const {
  llvm::LLVMContext& context = builder.getContext();
  switch (type) {
    case DType::kBool:
      return llvm::Type::getInt1Ty(context);
    case DType::kFloat:
      return llvm::Type::getFloatTy(context);
    case DType::kDouble:
      return llvm::Type::getDoubleTy(context);
    default:
      break;
  }
  // Floats of 16 bits and less are their codes: expand_small_floats leaves no arithmetic of them, and LLVM's
  // own types of 16 bits are promoted and rounded by library calls on targets without instructions for them.
  if (!is_integer(type) && !is_float(type)) {
    fail(ErrorKind::kModel, "no code generation for elements of type {}", onnx_name(type));
  }
  return llvm::Type::getIntNTy(context, static_cast<unsigned>(bit_width(type)));
}

llvm::Type* KernelEmitter::memory_type(DType type) const {
  check(type == DType::kBool || bit_width(type) >= 8, "elements of whole bytes");
  return type == DType::kBool ? llvm::Type::getInt8Ty(builder.getContext()) : scalar_type(type);
}

llvm::Value* KernelEmitter::root_pointer(BufferId root) {
  auto [it, inserted] = roots_.try_emplace(root, nullptr);
  if (!inserted) return it->second;
  auto known = std::find(signature.buffers.begin(), signature.buffers.end(), root);
  auto position = static_cast<unsigned>(known - signature.buffers.begin());
  if (known == signature.buffers.end()) signature.buffers.push_back(root);
  llvm::IRBuilder<> entry(function_->getEntryBlock().getTerminator());
  llvm::Type* pointer = entry.getPtrTy();
  auto* load =
      entry.CreateLoad(pointer, entry.CreateConstInBoundsGEP1_32(pointer, function_->getArg(0), position));
  return it->second = load;
}

void KernelEmitter::use_scratch(llvm::Value* base, const std::map<BufferId, int64_t>& offsets) {
  llvm::IRBuilder<> entry(function_->getEntryBlock().getTerminator());
  for (const auto& [root, offset] : offsets) {
    roots_[root] = entry.CreateConstInBoundsGEP1_64(entry.getInt8Ty(), base, static_cast<uint64_t>(offset));
  }
}

llvm::Value* KernelEmitter::dim(const Dim& value) {
  if (value.is_constant()) return index(value.value());
  auto [it, inserted] = dims_.try_emplace(value, nullptr);
  if (!inserted) return it->second;
  auto known = std::find(signature.dims.begin(), signature.dims.end(), value);
  auto position = static_cast<unsigned>(known - signature.dims.begin());
  if (known == signature.dims.end()) signature.dims.push_back(value);
  llvm::IRBuilder<> entry(function_->getEntryBlock().getTerminator());
  llvm::Type* i64 = entry.getInt64Ty();
  auto* load = entry.CreateLoad(i64, entry.CreateConstInBoundsGEP1_32(i64, function_->getArg(1), position));
  return it->second = load;
}

llvm::AllocaInst* KernelEmitter::slot(llvm::Type* type, const char* name) {
  llvm::BasicBlock& entry = function_->getEntryBlock();
  return llvm::IRBuilder<>(&entry, entry.begin()).CreateAlloca(type, nullptr, name);
}

llvm::Value* KernelEmitter::zeros() {
  llvm::Module* module = function_->getParent();
  constexpr const char* kName = "dlc.zeros";
  if (auto* known = module->getNamedGlobal(kName)) return known;
  auto* type = llvm::ArrayType::get(builder.getInt8Ty(), 64);
  auto* global = new llvm::GlobalVariable(*module, type, true, llvm::GlobalValue::PrivateLinkage,
                                          llvm::ConstantAggregateZero::get(type), kName);
  global->setAlignment(llvm::Align(64));
  return global;
}

llvm::Value* KernelEmitter::smaller(llvm::Value* a, llvm::Value* b) {
  return builder.CreateBinaryIntrinsic(llvm::Intrinsic::smin, a, b);
}

llvm::Value* KernelEmitter::broadcast(llvm::Value* value) {
  if (lanes.width == 1 || value->getType()->isVectorTy()) return value;
  return builder.CreateVectorSplat(static_cast<unsigned>(lanes.width), value);
}

void KernelEmitter::tag_access(llvm::Instruction* access, BufferId root) {
  llvm::LLVMContext& context = builder.getContext();
  llvm::MDBuilder metadata(context);
  if (!scope_domain_) scope_domain_ = metadata.createAnonymousAliasScopeDomain("kernel");
  // Scopes exist for all buffers of the program that this kernel can name; they are created on first use, so
  // an access is tagged against the roots that were known before it and, symmetrically, later ones against
  // it.
  auto [it, inserted] = scopes_.try_emplace(root, nullptr);
  if (inserted) it->second = metadata.createAnonymousAliasScope(scope_domain_);
  std::vector<llvm::Metadata*> others;
  for (const auto& [other, scope] : scopes_) {
    if (other != root) others.push_back(scope);
  }
  access->setMetadata(llvm::LLVMContext::MD_alias_scope, llvm::MDNode::get(context, {it->second}));
  if (!others.empty()) access->setMetadata(llvm::LLVMContext::MD_noalias, llvm::MDNode::get(context, others));
}

// Whether a let that holds one value per lane occurs.
bool KernelEmitter::has_vector_let(const ir::Expr& e) const {
  bool found = false;
  ir::visit(e, [&](const ir::ExprNode& node) {
    if (node.op != ir::ExprOp::kVar || node.var == lanes.var) return;
    if (auto known = vars.find(node.var); known != vars.end())
      found |= known->second->getType()->isVectorTy();
    if (auto known = slots.find(node.var); known != slots.end()) {
      found |= llvm::cast<llvm::AllocaInst>(known->second)->getAllocatedType()->isVectorTy();
    }
  });
  return found;
}

std::optional<Dim> KernelEmitter::lane_stride(BufferId buffer, const std::vector<ir::Expr>& index) {
  if (lanes.width == 1) return Dim(0);
  auto [it, inserted] = strides_.try_emplace(buffer);
  if (inserted) it->second = ir::strides_of(program, buffer).value();
  Dim total = 0;
  for (size_t i = 0; i < index.size(); ++i) {
    if (has_vector_let(index[i])) return std::nullopt;
    if (!ir::uses_var(index[i], lanes.var)) continue;
    std::optional<ir::Affine> affine = ir::affine_in(index[i], lanes.var);
    if (!affine) return std::nullopt;
    if (affine->coefficient->op == ir::ExprOp::kInt) {
      total += Dim(affine->coefficient->integer) * it->second.strides[i];
    } else if (affine->coefficient->op == ir::ExprOp::kDim) {
      total += affine->coefficient->dim * it->second.strides[i];
    } else {
      return std::nullopt;
    }
  }
  return total;
}

}  // namespace dlc::codegen
