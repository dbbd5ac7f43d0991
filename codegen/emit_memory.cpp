// Loads and stores: addresses, lanes, guards.
#include <llvm/IR/Intrinsics.h>

#include <algorithm>

#include "codegen/emit.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::BufferId;
using ir::Dim;
using ir::Expr;

namespace {

constexpr int64_t kMaxShuffledStride = 4;

}  // namespace

llvm::Value* KernelEmitter::from_memory(llvm::Value* value, DType type) {
  if (type != DType::kBool) return value;
  return builder.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
}

llvm::Value* KernelEmitter::to_memory(llvm::Value* value, DType type) {
  if (type != DType::kBool) return value;
  llvm::Type* byte = builder.getInt8Ty();
  if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(value->getType())) {
    byte = llvm::FixedVectorType::get(byte, vector->getNumElements());
  }
  return builder.CreateZExt(value, byte);
}

// Element offset from the start of the root's memory: i64, or one per lane where it depends on the lanes.
llvm::Value* KernelEmitter::element_offset(BufferId buffer, const std::vector<Expr>& index,
                                           llvm::Value* guard, Memo& memo) {
  auto [it, inserted] = strides_.try_emplace(buffer);
  if (inserted) {
    std::optional<ir::Strides> strides = ir::strides_of(program, buffer);
    check(strides.has_value(), "the storage of a buffer is decided before emission");
    it->second = std::move(*strides);
  }
  const ir::Strides& strides = it->second;
  llvm::Value* offset = dim(strides.offset);
  for (size_t i = 0; i < index.size(); ++i) {
    if (strides.strides[i] == Dim(0)) continue;
    llvm::Value* position = emit_node(index[i], guard, memo);
    llvm::Value* stride = dim(strides.strides[i]);
    if (position->getType()->isVectorTy()) stride = broadcast(stride);
    llvm::Value* term = builder.CreateMul(position, stride);
    if (term->getType()->isVectorTy()) offset = broadcast(offset);
    if (offset->getType()->isVectorTy()) term = broadcast(term);
    offset = builder.CreateAdd(offset, term);
  }
  return offset;
}

llvm::Value* KernelEmitter::address(BufferId buffer, const std::vector<Expr>& index) {
  Lanes saved = lanes;
  lanes.width = 1;
  Memo memo;
  llvm::Value* offset = element_offset(buffer, index, nullptr, memo);
  lanes = saved;
  const ir::Buffer& info = program.buffer(buffer);
  return builder.CreateGEP(memory_type(info.dtype), root_pointer(ir::root_of(program, buffer)), offset);
}

llvm::Value* KernelEmitter::emit_load(const ir::ExprNode& e, llvm::Value* guard, Memo& memo) {
  const BufferId root = ir::root_of(program, e.buffer);
  const ir::Buffer& info = program.buffer(e.buffer);
  if (bit_width(info.dtype) < 8 && info.dtype != DType::kBool) return emit_packed_load(e, guard, memo);
  llvm::Type* element = memory_type(info.dtype);
  std::optional<Dim> stride = lane_stride(e.buffer, e.args);
  if (lanes.width > 1 && stride && *stride == Dim(1)) {
    return from_memory(load_contiguous(address(e.buffer, e.args), info.dtype, guard, root), info.dtype);
  }
  if (lanes.width > 1 && !guard && stride && stride->is_constant() && stride->value() > 1 &&
      stride->value() <= kMaxShuffledStride) {
    return from_memory(load_strided(address(e.buffer, e.args), info.dtype, stride->value(), root),
                       info.dtype);
  }
  llvm::Value* offset = nullptr;
  if (lanes.width > 1 && stride && *stride == Dim(0)) {
    Lanes saved = lanes;
    lanes.width = 1;
    Memo scalar;
    offset = element_offset(e.buffer, e.args, nullptr, scalar);
    lanes = saved;
  } else {
    offset = element_offset(e.buffer, e.args, guard, memo);
  }
  llvm::Value* pointer = builder.CreateGEP(element, root_pointer(root), offset);
  return from_memory(load_lanes(pointer, info.dtype, guard, root), info.dtype);
}

// Elements of two or four bits, the first one in the lowest bits of its byte.
llvm::Value* KernelEmitter::emit_packed_load(const ir::ExprNode& e, llvm::Value* guard, Memo& memo) {
  const BufferId root = ir::root_of(program, e.buffer);
  const DType type = e.type;
  const auto bits = static_cast<uint64_t>(bit_width(type));
  const bool lane_guard = guard && guard->getType()->isVectorTy();
  if (lanes.width > 1 && !lane_guard && static_cast<uint64_t>(lanes.width) * bits % 8 == 0 &&
      lane_stride(e.buffer, e.args) == Dim(1)) {
    return load_packed_run(e, guard);
  }
  llvm::Value* offset = element_offset(e.buffer, e.args, guard, memo);
  const bool vector = offset->getType()->isVectorTy();
  auto splat = [&](llvm::Value* value) { return vector ? broadcast(value) : value; };
  llvm::Value* bit = builder.CreateMul(offset, splat(index(static_cast<int64_t>(bits))));
  llvm::Value* byte_offset = builder.CreateAShr(bit, splat(index(3)));
  llvm::Type* byte = builder.getInt8Ty();
  llvm::Value* pointer = builder.CreateGEP(byte, root_pointer(root), byte_offset);
  llvm::Value* value = load_lanes(pointer, DType::kUint8, guard, root);
  llvm::Value* shift = builder.CreateAnd(bit, splat(index(7)));
  value = builder.CreateLShr(value, builder.CreateTrunc(shift, value->getType()));
  llvm::Type* result = scalar_type(type);
  if (vector) result = llvm::FixedVectorType::get(result, static_cast<unsigned>(lanes.width));
  return builder.CreateTrunc(value, result);
}

// Consecutive elements in all lanes. Their bytes are brought to the beginning of a byte first: every byte
// takes its low bits from itself and its high bits from the next one.
llvm::Value* KernelEmitter::load_packed_run(const ir::ExprNode& e, llvm::Value* guard) {
  const BufferId root = ir::root_of(program, e.buffer);
  const auto bits = static_cast<unsigned>(bit_width(e.type)), per_byte = 8 / bits;
  const unsigned width = static_cast<unsigned>(lanes.width), bytes = width / per_byte;
  Lanes saved = lanes;
  lanes.width = 1;
  Memo memo;
  llvm::Value* offset = element_offset(e.buffer, e.args, nullptr, memo);
  lanes = saved;
  llvm::Type* byte = builder.getInt8Ty();
  llvm::Value* bit = builder.CreateMul(offset, index(bits));
  llvm::Value* base = root_pointer(root);
  llvm::Value* first = builder.CreateGEP(byte, base, builder.CreateAShr(bit, index(3)));
  llvm::Value* last_bit = builder.CreateAdd(bit, index(static_cast<int64_t>(width - 1) * bits));
  llvm::Value* last = builder.CreateGEP(byte, base, builder.CreateAShr(last_bit, index(3)));
  if (guard) {
    first = builder.CreateSelect(guard, first, zeros());
    last = builder.CreateSelect(guard, last, zeros());
  }
  auto* vector = llvm::FixedVectorType::get(byte, bytes);
  auto* low = builder.CreateAlignedLoad(vector, first, llvm::Align(1));
  auto* end = builder.CreateAlignedLoad(byte, last, llvm::Align(1));
  if (!guard) {
    tag_access(low, root);
    tag_access(end, root);
  }
  std::vector<int> next, spread;
  for (unsigned i = 0; i < bytes; ++i) next.push_back(static_cast<int>(i + 1));
  llvm::Value* ends = builder.CreateInsertElement(llvm::PoisonValue::get(vector), end, uint64_t{0});
  llvm::Value* high = builder.CreateShuffleVector(low, ends, next);
  // 8 - shift in two steps, because a shift by 8 is undefined.
  llvm::Value* shift = builder.CreateTrunc(builder.CreateAnd(bit, index(7)), byte);
  llvm::Value* rest = builder.CreateSub(builder.getInt8(7), shift);
  high = builder.CreateShl(builder.CreateShl(high, llvm::ConstantInt::get(vector, 1)),
                           builder.CreateVectorSplat(bytes, rest));
  llvm::Value* run = builder.CreateOr(builder.CreateLShr(low, builder.CreateVectorSplat(bytes, shift)), high);
  for (unsigned lane = 0; lane < width; ++lane) spread.push_back(static_cast<int>(lane / per_byte));
  std::vector<llvm::Constant*> shifts;
  for (unsigned lane = 0; lane < width; ++lane)
    shifts.push_back(builder.getInt8(static_cast<uint8_t>(lane % per_byte * bits)));
  llvm::Value* elements = builder.CreateShuffleVector(run, spread);
  elements = builder.CreateLShr(elements, llvm::ConstantVector::get(shifts));
  return builder.CreateTrunc(elements, llvm::FixedVectorType::get(scalar_type(e.type), width));
}

// A vector from consecutive elements. Unguarded, under one condition, or lane by lane.
llvm::Value* KernelEmitter::load_contiguous(llvm::Value* pointer, DType type, llvm::Value* guard,
                                            BufferId root) {
  llvm::Type* element = memory_type(type);
  auto* vector = llvm::FixedVectorType::get(element, static_cast<unsigned>(lanes.width));
  const llvm::Align align(static_cast<uint64_t>(bit_width(type)) / 8);
  if (guard && guard->getType()->isVectorTy()) {
    auto* load =
        builder.CreateMaskedLoad(vector, pointer, align, guard, llvm::Constant::getNullValue(vector));
    tag_access(load, root);
    return load;
  }
  if (guard) pointer = builder.CreateSelect(guard, pointer, zeros());
  auto* load = builder.CreateAlignedLoad(vector, pointer, align);
  if (!guard) tag_access(load, root);
  return load;
}

// Elements a small stride apart, from vectors that cover all between the first and the last: none reaches
// beyond these.
llvm::Value* KernelEmitter::load_strided(llvm::Value* pointer, DType type, int64_t stride, BufferId root) {
  llvm::Type* element = memory_type(type);
  auto* vector = llvm::FixedVectorType::get(element, static_cast<unsigned>(lanes.width));
  const llvm::Align align(static_cast<uint64_t>(bit_width(type)) / 8);
  const int64_t last = (lanes.width - 1) * stride;
  llvm::Value* result = llvm::PoisonValue::get(vector);
  for (int64_t part = 0; part < stride; ++part) {
    const int64_t first = std::min(part * lanes.width, last + 1 - lanes.width);
    auto* load = builder.CreateAlignedLoad(vector, builder.CreateGEP(element, pointer, index(first)), align);
    tag_access(load, root);
    std::vector<int> from;
    for (int64_t lane = 0; lane < lanes.width; ++lane) {
      const int64_t at = lane * stride;
      const bool is_here = at / lanes.width == part;
      from.push_back(static_cast<int>(is_here ? lanes.width + at - first : lane));
    }
    result = builder.CreateShuffleVector(result, load, from);
  }
  return result;
}

// One element, or one per lane from a vector of pointers.
llvm::Value* KernelEmitter::load_lanes(llvm::Value* pointer, DType type, llvm::Value* guard, BufferId root) {
  llvm::Type* element = memory_type(type);
  const llvm::Align align(static_cast<uint64_t>(bit_width(type)) / 8);
  auto* pointers = llvm::dyn_cast<llvm::FixedVectorType>(pointer->getType());
  if (!pointers) {
    if (guard) {
      // Under lane guards a uniform element is needed if any lane is active.
      if (guard->getType()->isVectorTy()) guard = builder.CreateOrReduce(guard);
      pointer = builder.CreateSelect(guard, pointer, zeros());
    }
    auto* load = builder.CreateAlignedLoad(element, pointer, align);
    if (!guard) tag_access(load, root);
    return load;
  }
  const unsigned width = pointers->getNumElements();
  if (guard) pointer = builder.CreateSelect(broadcast(guard), pointer, broadcast(zeros()));
  llvm::Value* result = llvm::PoisonValue::get(llvm::FixedVectorType::get(element, width));
  for (unsigned lane = 0; lane < width; ++lane) {
    auto* load = builder.CreateAlignedLoad(element, builder.CreateExtractElement(pointer, lane), align);
    if (!guard) tag_access(load, root);
    result = builder.CreateInsertElement(result, load, lane);
  }
  return result;
}

void KernelEmitter::store(BufferId buffer, const std::vector<Expr>& index, llvm::Value* value) {
  const BufferId root = ir::root_of(program, buffer);
  const DType type = program.buffer(buffer).dtype;
  const llvm::Align align(static_cast<uint64_t>(bit_width(type)) / 8);
  llvm::Type* element = memory_type(type);
  value = to_memory(value, type);
  if (lanes.width == 1) {
    tag_access(builder.CreateAlignedStore(value, address(buffer, index), align), root);
    return;
  }
  std::optional<Dim> stride = lane_stride(buffer, index);
  if (stride && *stride == Dim(1)) {
    value = broadcast(value);
    if (lanes.mask) {
      tag_access(builder.CreateMaskedStore(value, address(buffer, index), align, lanes.mask), root);
    } else {
      tag_access(builder.CreateAlignedStore(value, address(buffer, index), align), root);
    }
    return;
  }
  check(!stride || *stride != Dim(0), "a store of a vector loop has an address per lane");
  Memo memo;
  llvm::Value* offset = element_offset(buffer, index, lanes.mask, memo);
  llvm::Value* pointers = builder.CreateGEP(element, root_pointer(root), broadcast(offset));
  value = broadcast(value);
  if (lanes.mask) {
    builder.CreateMaskedScatter(value, pointers, align, lanes.mask);
    return;
  }
  for (unsigned lane = 0; lane < static_cast<unsigned>(lanes.width); ++lane) {
    auto* scalar = builder.CreateAlignedStore(builder.CreateExtractElement(value, lane),
                                              builder.CreateExtractElement(pointers, lane), align);
    tag_access(scalar, root);
  }
}

}  // namespace dlc::codegen
