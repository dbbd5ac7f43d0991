// A vector loop around a short loop, whose stores together fill a run of memory: the vectors of the short
// loop are interleaved in registers, and stored whole.
#include "codegen/emit.h"
#include "passes/schedule/access.h"

namespace dlc::codegen {

using ir::Dim;

namespace {

constexpr int64_t kMostInterleaved = 7;

// Elements [part * width, (part + 1) * width) of a[0] b[0] c[0] ... a[1] b[1] c[1] ...
llvm::Value* interleaved(llvm::IRBuilder<>& builder, const std::vector<llvm::Value*>& vectors, int part) {
  auto* type = llvm::cast<llvm::FixedVectorType>(vectors[0]->getType());
  const int width = static_cast<int>(type->getNumElements()), count = static_cast<int>(vectors.size());
  llvm::Value* result = llvm::PoisonValue::get(type);
  for (int i = 0; i < count; ++i) {
    std::vector<int> from;
    for (int lane = 0; lane < width; ++lane) {
      const int element = part * width + lane;
      from.push_back(element % count == i ? width + element / count : lane);
    }
    result = builder.CreateShuffleVector(result, vectors[static_cast<size_t>(i)], from);
  }
  return result;
}

}  // namespace

bool KernelEmitter::emit_interleaved(const ir::For& loop, llvm::Value* base, int width) {
  if (loop.body.size() != 1) return false;
  auto* inner = std::get_if<ir::For>(&loop.body[0].node);
  if (inner == nullptr || inner->body.size() != 1 || inner->begin->op != ir::ExprOp::kInt ||
      inner->end->op != ir::ExprOp::kInt || inner->begin->integer != 0)
    return false;
  const int64_t count = inner->end->integer;
  auto* stored = std::get_if<ir::Store>(&inner->body[0].node);
  if (stored == nullptr || count < 2 || count > kMostInterleaved) return false;
  const passes::Access access{stored->buffer, &stored->index, true, {}};
  if (passes::stride_along(program, access, loop.var) != Dim(count) ||
      passes::stride_along(program, access, inner->var) != Dim(1))
    return false;
  std::vector<llvm::Value*> vectors;
  lanes = {loop.var, width, base, nullptr};
  for (int64_t i = 0; i < count; ++i) {
    vars[inner->var] = index(i);
    vectors.push_back(to_memory(emit_vector(stored->value), program.buffer(stored->buffer).dtype));
  }
  vars[inner->var] = index(0);
  llvm::Value* first = address(stored->buffer, stored->index);
  vars.erase(inner->var);
  lanes = {};
  const DType type = program.buffer(stored->buffer).dtype;
  for (int part = 0; part < count; ++part) {
    llvm::Value* to = builder.CreateGEP(memory_type(type), first, index(static_cast<int64_t>(part) * width));
    const llvm::Align align(static_cast<uint64_t>(bit_width(type)) / 8);
    tag_access(builder.CreateAlignedStore(interleaved(builder, vectors, part), to, align),
               ir::root_of(program, stored->buffer));
  }
  return true;
}

}  // namespace dlc::codegen
