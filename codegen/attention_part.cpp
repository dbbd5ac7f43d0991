#include "codegen/attention_part.h"

#include <llvm/IR/Intrinsics.h>

#include "codegen/accumulate.h"
#include "codegen/emit_kernel.h"
#include "passes/schedule/attention_form.h"
#include "runtime/error.h"

namespace dlc::codegen {

namespace {

llvm::Align alignment(DType type) { return llvm::Align(static_cast<uint64_t>(bit_width(type)) / 8); }

llvm::Function* make_part(const AttentionProblem& problem, const std::string& name, int pointers,
                          int numbers) {
  llvm::Function* function =
      make_tile_function(problem.module, problem.target, problem.name + "." + name, numbers, pointers);
  // Registers are allotted to each part by itself.
  function->addFnAttr(llvm::Attribute::NoInline);
  return function;
}

}  // namespace

AttentionPart::AttentionPart(const AttentionProblem& problem, const std::string& name, int pointers,
                             int numbers)
    : p_(problem),
      a_(problem.attention),
      plan_(problem.plan),
      function_(make_part(problem, name, pointers, numbers)),
      emitter_(function_, problem.program, problem.target, problem.signature),
      builder_(emitter_.builder),
      scalar_(emitter_.scalar_type(a_.accumulator_type)),
      vector_(llvm::FixedVectorType::get(scalar_, static_cast<unsigned>(plan_.lanes))),
      pointers_(pointers) {}

llvm::Value* AttentionPart::pointer(int i) const { return function_->getArg(static_cast<unsigned>(2 + i)); }

llvm::Value* AttentionPart::number(int i) const {
  return function_->getArg(static_cast<unsigned>(2 + pointers_ + i));
}

llvm::Function* AttentionPart::finish() {
  builder_.CreateRetVoid();
  return function_;
}

void AttentionPart::bind(const std::vector<ir::LoopAxis>& axes, llvm::Value* flat) {
  std::vector<ir::Dim> extents;
  for (const ir::LoopAxis& axis : axes) extents.push_back(axis.extent);
  const std::vector<llvm::Value*> at = unflatten(emitter_, flat, extents);
  for (size_t i = 0; i < axes.size(); ++i) emitter_.vars[axes[i].var] = at[i];
}

llvm::Value* AttentionPart::address(const ir::Element& element, const ir::LoopAxis& first,
                                    llvm::Value* first_at, const ir::LoopAxis& second,
                                    llvm::Value* second_at) {
  emitter_.vars[first.var] = first_at;
  emitter_.vars[second.var] = second_at;
  llvm::Value* at = emitter_.address(element.buffer, element.index);
  emitter_.vars.erase(first.var);
  emitter_.vars.erase(second.var);
  return at;
}

llvm::Value* AttentionPart::stride(const ir::Element& element, const ir::LoopAxis& axis) {
  const std::optional<ir::Dim> stride = passes::stride_along(p_.program, element, axis.var);
  check(stride.has_value(), "an attention that runs fused has strides");
  return emitter_.dim(*stride);
}

llvm::Value* AttentionPart::load_operand(llvm::Value* at, DType type, int width, int64_t count) {
  auto* vector = llvm::FixedVectorType::get(emitter_.memory_type(type), static_cast<unsigned>(width));
  llvm::Value* value = nullptr;
  if (count >= width) {
    value = builder_.CreateAlignedLoad(vector, at, alignment(type));
  } else {
    llvm::Value* mask = lanes_below(emitter_, index(count), width);
    value =
        builder_.CreateMaskedLoad(vector, at, alignment(type), mask, llvm::Constant::getNullValue(vector));
  }
  return emitter_.convert(value, type, a_.accumulator_type);
}

llvm::Value* AttentionPart::load_splat(llvm::Value* at, DType type) {
  llvm::Value* value = builder_.CreateAlignedLoad(emitter_.memory_type(type), at, alignment(type));
  return splat(emitter_.convert(value, type, a_.accumulator_type));
}

llvm::Value* AttentionPart::element_at(llvm::Value* base, DType type, llvm::Value* offset) {
  return builder_.CreateGEP(emitter_.memory_type(type), base, offset);
}

llvm::Value* AttentionPart::scratch_at(llvm::Value* base, llvm::Value* offset) {
  return builder_.CreateGEP(scalar_, base, offset);
}

llvm::Value* AttentionPart::load_vector(llvm::Value* at) {
  return builder_.CreateAlignedLoad(vector_, at, alignment(a_.accumulator_type));
}

void AttentionPart::store(llvm::Value* value, llvm::Value* at) {
  builder_.CreateAlignedStore(value, at, alignment(a_.accumulator_type));
}

llvm::Value* AttentionPart::splat(llvm::Value* scalar) {
  return builder_.CreateVectorSplat(static_cast<unsigned>(plan_.lanes), scalar);
}

}  // namespace dlc::codegen
