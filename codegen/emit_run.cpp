#include "codegen/emit_run.h"

#include <algorithm>
#include <cstddef>

#include "codegen/emit_kernel.h"
#include "runtime/error.h"

namespace dlc::codegen {

using ir::BufferId;
using ir::Dim;

namespace {

// Work below which threads cannot help: the kernel is called directly.
constexpr int64_t kDirectCallNs = 8000;

int64_t max_call_tensors(const ir::Program& program) {
  size_t most = 0;
  ir::for_each_step(program.main, [&](const ir::Step& step) {
    auto* kernel = std::get_if<ir::KernelStep>(&step.node);
    auto* call = kernel == nullptr ? nullptr : std::get_if<ir::Call>(&kernel->kernel.body);
    if (call != nullptr)
      most = std::max({most, call->inputs.size() + call->outputs.size(), call->params.size()});
  });
  return static_cast<int64_t>(most);
}

int64_t max_arguments(const ProgramParts& parts) {
  size_t most = 0;
  for (const auto& [kernel, code] : parts.kernels) most = std::max(most, code.signature.buffers.size());
  return static_cast<int64_t>(most);
}

std::vector<BufferId> distinct_roots(const ir::Program& program, const std::vector<BufferId>& ids) {
  std::vector<BufferId> roots;
  for (BufferId id : ids) {
    if (id == BufferId::kNone) continue;
    BufferId root = ir::root_of(program, id);
    if (std::find(roots.begin(), roots.end(), root) == roots.end()) roots.push_back(root);
  }
  return roots;
}

}  // namespace

Dim dim_of(const ir::Expr& e) {
  switch (e->op) {
    case ir::ExprOp::kInt:
      return e->integer;
    case ir::ExprOp::kDim:
      return e->dim;
    case ir::ExprOp::kCast:
      return dim_of(e->args[0]);
    case ir::ExprOp::kAdd:
      return dim_of(e->args[0]) + dim_of(e->args[1]);
    case ir::ExprOp::kSub:
      return dim_of(e->args[0]) - dim_of(e->args[1]);
    case ir::ExprOp::kMul:
      return dim_of(e->args[0]) * dim_of(e->args[1]);
    case ir::ExprOp::kFloorDiv:
      return ir::floor_div(dim_of(e->args[0]), dim_of(e->args[1]));
    case ir::ExprOp::kMin:
      return ir::min(dim_of(e->args[0]), dim_of(e->args[1]));
    case ir::ExprOp::kMax:
      return ir::max(dim_of(e->args[0]), dim_of(e->args[1]));
    case ir::ExprOp::kNeg:
      return -dim_of(e->args[0]);
    default:
      fail(ErrorKind::kInternal, "no scalar of a step: {}", ir::to_string(e));
  }
}

RunEmitter::RunEmitter(llvm::Module& module, const ProgramParts& parts, const ModelInfo& info,
                       DimsTable& table)
    : FrameEmitter(module, table, info.name + "_run_steps"),
      parts_(parts),
      program_(parts.program),
      info_(info),
      dims_table_(table),
      inputs_(load_field(offsetof(dlc_frame, inputs))),
      outputs_(load_field(offsetof(dlc_frame, outputs))),
      arena_(load_field(offsetof(dlc_frame, arena))),
      state_(load_field(offsetof(dlc_frame, state))),
      constants_(load_field(offsetof(dlc_frame, constants))) {
  int64_t tensors = max_call_tensors(program_);
  arguments_ = entry_alloca(builder_.getPtrTy(), max_arguments(parts), "arguments");
  call_tensors_ =
      entry_alloca(builder_.getInt8Ty(), tensors * static_cast<int64_t>(sizeof(dlc_call_tensor)), "tensors");
  call_tensors_->setAlignment(llvm::Align(alignof(dlc_call_tensor)));
  call_params_ = entry_alloca(builder_.getInt64Ty(), tensors, "params");
  dynamic_ = entry_alloca(builder_.getPtrTy(), parts.plan.dynamic_buffers, "dynamic");
  for (size_t i = 0; i < parts.plan.slots.size(); ++i) layout_.slot_offsets.push_back(table.reserve());
}

RunLayout RunEmitter::emit() {
  for (size_t i = 0; i < program_.buffers.size(); ++i) {
    const ir::Buffer& buffer = program_.buffers[i];
    if (buffer.kind != ir::BufferKind::kOutput || buffer.view) continue;
    auto index = static_cast<size_t>(buffer.border_index);
    layout_.outputs.resize(std::max(layout_.outputs.size(), index + 1));
    DimsTable::List extents = dims_table_.list(buffer.shape, true);
    layout_.outputs[index] = {static_cast<BufferId>(i), extents, !extents.late.empty()};
  }
  emit(program_.main);
  // An output that no step has written, because a loop did not run, has its extents all the same.
  for (size_t i = 0; i < layout_.outputs.size(); ++i) {
    if (layout_.outputs[i].late) allocate_output(i);
  }
  finish();
  return layout_;
}

void RunEmitter::emit(const ir::Region& region) {
  for (const ir::Step& step : region.steps) {
    std::visit([this](const auto& node) { emit(node); }, step.node);
  }
}

void RunEmitter::emit(const ir::KernelStep& step) {
  allocate_written(step.kernel);
  if (info_.profile) {
    count_kernel(step.kernel);
    profile_call("dlc_kernel_begin");
  }
  if (auto* call = std::get_if<ir::Call>(&step.kernel.body)) {
    call_runtime_kernel(*call, step.kernel.origin);
  } else {
    call_kernel(step.kernel);
  }
  if (info_.profile) profile_call("dlc_kernel_end");
}

void RunEmitter::emit(const ir::BindStep& step) {
  llvm::Value* value = load_integer(step.buffer, step.index);
  llvm::Value* in_range = builder_.CreateAnd(builder_.CreateICmpSGE(value, constant(step.minimum)),
                                             builder_.CreateICmpSLE(value, constant(step.maximum)));
  std::string expected = !step.expected.empty()         ? escape_format(step.expected)
                         : step.maximum == INT64_MAX    ? fmt::format("at least {}", step.minimum)
                         : step.maximum == step.minimum ? fmt::format("{}", step.minimum)
                                                        : fmt::format("{} to {}", step.minimum, step.maximum);
  fail_if(builder_.CreateNot(in_range),
          fmt::format("{}: expected {}, found %lld", escape_format(step.what), expected), value, constant(0));
  store_slot(table_.symbol_slot(step.symbol), value);
}

void RunEmitter::emit(const ir::SetStep& step) {
  store_slot(table_.symbol_slot(step.symbol), evaluate(step.value));
}

void RunEmitter::emit(const ir::CheckStep& step) {
  DimEmitter emitter = dim_emitter();
  llvm::Value* lhs = emitter.emit(step.lhs);
  llvm::Value* rhs = emitter.emit(step.rhs);
  emitter.finish();
  fail_if(builder_.CreateICmpNE(lhs, rhs), fmt::format("{} (%lld and %lld)", escape_format(step.message)),
          lhs, rhs);
}

void RunEmitter::emit(const ir::IfStep& step) {
  llvm::Value* condition = builder_.CreateICmpNE(load_integer(step.condition, {}), constant(0));
  auto block = [this](const char* name) {
    return llvm::BasicBlock::Create(module_.getContext(), name, function_);
  };
  llvm::BasicBlock *then_block = block("then"), *else_block = block("else"), *end = block("end");
  builder_.CreateCondBr(condition, then_block, else_block);
  builder_.SetInsertPoint(then_block);
  emit(step.then_region);
  builder_.CreateBr(end);
  builder_.SetInsertPoint(else_block);
  emit(step.else_region);
  builder_.CreateBr(end);
  builder_.SetInsertPoint(end);
}

void RunEmitter::emit(const ir::RepeatStep& step) {
  llvm::Value* count = evaluate(step.count);
  emit_loop(
      step.symbol, [&](llvm::Value* i) { return builder_.CreateICmpSLT(i, count); }, step.body);
}

void RunEmitter::emit(const ir::WhileStep& step) {
  llvm::Value* trip = step.trip ? evaluate(*step.trip) : constant(INT64_MAX);
  auto goes_on = [&](llvm::Value* i) {
    llvm::Value* in_trip = builder_.CreateICmpSLT(i, trip);
    if (step.condition == BufferId::kNone) return in_trip;
    return builder_.CreateAnd(in_trip, builder_.CreateICmpNE(load_integer(step.condition, {}), constant(0)));
  };
  emit_loop(step.counter, goes_on, step.body);
}

void RunEmitter::emit_loop(const std::string& symbol,
                           const std::function<llvm::Value*(llvm::Value* counter)>& condition,
                           const ir::Region& region) {
  auto block = [this](const char* name) {
    return llvm::BasicBlock::Create(module_.getContext(), name, function_);
  };
  llvm::BasicBlock *head = block("loop"), *body = block("iteration"), *end = block("loop_end");
  llvm::AllocaInst* counter = entry_alloca(builder_.getInt64Ty(), 1, "counter");
  builder_.CreateStore(constant(0), counter);
  builder_.CreateBr(head);
  builder_.SetInsertPoint(head);
  llvm::Value* i = builder_.CreateLoad(builder_.getInt64Ty(), counter);
  store_slot(table_.symbol_slot(symbol), i);
  builder_.CreateCondBr(condition(i), body, end);
  builder_.SetInsertPoint(body);
  emit(region);
  builder_.CreateStore(builder_.CreateAdd(builder_.CreateLoad(builder_.getInt64Ty(), counter), constant(1)),
                       counter);
  builder_.CreateBr(head);
  builder_.SetInsertPoint(end);
}

void RunEmitter::call_kernel(const ir::Kernel& kernel) {
  const KernelCode& code = parts_.kernels.at(&kernel);
  const KernelSignature& signature = code.signature;
  DimsTable::List dims = dims_table_.list(signature.dims);
  store_late(dims);
  for (size_t i = 0; i < signature.buffers.size(); ++i) {
    builder_.CreateStore(root_pointer(signature.buffers[i]),
                         builder_.CreateConstInBoundsGEP1_64(builder_.getPtrTy(), arguments_, i));
  }
  llvm::Function* function = declare_kernel(module_, code.function);
  llvm::Value* first_dim = slot_address(dims.base);
  bool is_short = signature.task_count == Dim(1) ||
                  (signature.work.is_constant() && signature.work.value() < kDirectCallNs);
  llvm::Value* count = evaluate(signature.task_count);
  layout_.scratch_bytes = std::max(layout_.scratch_bytes, signature.scratch_bytes);
  if (is_short && signature.scratch_bytes == 0) {
    llvm::Value* no_scratch = llvm::ConstantPointerNull::get(builder_.getPtrTy());
    builder_.CreateCall(function, {arguments_, first_dim, constant(0), count, no_scratch});
    return;
  }
  llvm::Value* work = dim_emitter().emit_saturating(signature.work);
  llvm::Type *pointer = builder_.getPtrTy(), *i64 = builder_.getInt64Ty();
  llvm::FunctionCallee parallel_for =
      runtime("dlc_parallel_for", builder_.getVoidTy(), {pointer, pointer, pointer, pointer, i64, i64});
  builder_.CreateCall(parallel_for, {frame_, function, arguments_, first_dim, count, work});
}

void RunEmitter::count_kernel(const ir::Kernel& kernel) {
  RunLayout::KernelRow row{kernel.name, kernel.origin};
  Dim flops = 0;
  if (auto* contraction = std::get_if<ir::Contraction>(&kernel.body)) {
    flops = 2;
    for (const ir::ContractionAxis& axis : contraction->axes) flops *= axis.extent;
  } else if (auto* attention = std::get_if<ir::Attention>(&kernel.body)) {
    flops = Dim(2) * attention->key.extent * (attention->depth.extent + attention->column.extent);
    for (const ir::LoopAxis& axis : attention->batch) flops *= axis.extent;
    for (const ir::LoopAxis& axis : attention->rows) flops *= axis.extent;
  }
  if (flops != Dim(0) && !table_.is_late(flops)) row.flops_slot = dims_table_.estimate(flops);
  Dim bytes = 0;
  auto add_bytes = [&](BufferId id) {
    if (id != BufferId::kNone) bytes += passes::buffer_bytes(program_.buffer(id));
  };
  for (BufferId id : ir::reads(kernel)) add_bytes(id);
  for (BufferId id : ir::writes(kernel)) add_bytes(id);
  if (!table_.is_late(bytes)) row.bytes_slot = dims_table_.estimate(bytes);
  layout_.kernels.push_back(std::move(row));
}

void RunEmitter::profile_call(const char* function) {
  llvm::FunctionCallee callee =
      runtime(function, builder_.getVoidTy(), {builder_.getPtrTy(), builder_.getInt32Ty()});
  builder_.CreateCall(callee, {frame_, builder_.getInt32(static_cast<uint32_t>(layout_.kernels.size() - 1))});
}

void RunEmitter::allocate_written(const ir::Kernel& kernel) {
  auto* call = std::get_if<ir::Call>(&kernel.body);
  std::vector<BufferId> written;
  if (call == nullptr) {
    written = ir::writes(kernel);
  } else {
    for (size_t i = 0; i < call->outputs.size(); ++i) {
      if (!is_made_by(*call, i)) written.push_back(call->outputs[i]);
    }
  }
  for (BufferId root : distinct_roots(program_, written)) {
    const ir::Buffer& buffer = program_.buffer(root);
    bool is_dynamic = parts_.plan.of[static_cast<size_t>(root)].place == passes::Place::kDynamic;
    if (is_dynamic) allocate_dynamic(root);
    if (buffer.kind != ir::BufferKind::kOutput) continue;
    auto index = static_cast<size_t>(buffer.border_index);
    if (layout_.outputs[index].late) allocate_output(index);
  }
}

void RunEmitter::check_extents(const ir::Buffer& buffer, DimEmitter& emitter) {
  for (size_t axis = 0; axis < buffer.shape.size(); ++axis) {
    if (ir::lower_bound(buffer.shape[axis]).value_or(-1) >= 0 && !table_.is_late(buffer.shape[axis]))
      continue;
    llvm::Value* extent = emitter.emit(buffer.shape[axis]);
    fail_if(builder_.CreateICmpSLT(extent, constant(0)),
            fmt::format("axis %lld of '{}' would have %lld elements", escape_format(buffer.name)),
            constant(static_cast<int64_t>(axis)), extent);
  }
}

// Asking again for the same or a smaller size keeps content and address.
void RunEmitter::allocate_dynamic(BufferId root) {
  const ir::Buffer& buffer = program_.buffer(root);
  int32_t slot = parts_.plan.of[static_cast<size_t>(root)].index;
  DimEmitter emitter = dim_emitter();
  check_extents(buffer, emitter);
  llvm::Value* bytes = emitter.emit(passes::buffer_bytes(buffer));
  emitter.finish();
  llvm::FunctionCallee allocate =
      runtime("dlc_dynamic_buffer", builder_.getPtrTy(),
              {builder_.getPtrTy(), builder_.getInt32Ty(), builder_.getInt64Ty()});
  llvm::Value* data =
      builder_.CreateCall(allocate, {frame_, builder_.getInt32(static_cast<uint32_t>(slot)), bytes});
  return_if(builder_.CreateIsNull(data), builder_.getInt32(DLC_OUT_OF_MEMORY));
  builder_.CreateStore(
      data, builder_.CreateConstInBoundsGEP1_32(builder_.getPtrTy(), dynamic_, static_cast<unsigned>(slot)));
}

void RunEmitter::allocate_output(size_t index) {
  const RunLayout::Output& output = layout_.outputs[index];
  DimEmitter emitter = dim_emitter();
  check_extents(program_.buffer(output.buffer), emitter);
  store_late(output.extents);
  llvm::FunctionCallee allocate =
      runtime("dlc_output_buffer", builder_.getPtrTy(), {builder_.getPtrTy(), builder_.getInt32Ty()});
  llvm::Value* data =
      builder_.CreateCall(allocate, {frame_, builder_.getInt32(static_cast<uint32_t>(index))});
  return_if(builder_.CreateIsNull(data), builder_.getInt32(DLC_OUT_OF_MEMORY));
}

void RunEmitter::store_late(const DimsTable::List& list) {
  if (list.late.empty()) return;
  DimEmitter emitter = dim_emitter();
  std::vector<llvm::Value*> values;
  for (const auto& [slot, value] : list.late) values.push_back(emitter.emit(value));
  emitter.finish();
  for (size_t i = 0; i < values.size(); ++i) store_slot(list.late[i].first, values[i]);
}

llvm::Value* RunEmitter::evaluate(const Dim& value) {
  if (value.is_constant()) return constant(value.value());
  if (!table_.is_late(value)) return load_slot(dims_table_.list({value}).base);
  DimEmitter emitter = dim_emitter();
  llvm::Value* result = emitter.emit(value);
  emitter.finish();
  return result;
}

llvm::Value* RunEmitter::root_pointer(BufferId root) {
  const ir::Buffer& buffer = program_.buffer(root);
  llvm::Type* pointer = builder_.getPtrTy();
  auto element = [&](llvm::Value* array, int64_t index) {
    return builder_.CreateLoad(
        pointer, builder_.CreateConstInBoundsGEP1_64(pointer, array, static_cast<uint64_t>(index)));
  };
  if (buffer.kind == ir::BufferKind::kInput) return element(inputs_, buffer.border_index);
  if (buffer.kind == ir::BufferKind::kOutput) return element(outputs_, buffer.border_index);
  if (buffer.kind == ir::BufferKind::kConstant)
    return byte_offset(constants_, constant(parts_.constants.offset(root)));
  const passes::Placement& placement = parts_.plan.of[static_cast<size_t>(root)];
  switch (placement.place) {
    case passes::Place::kNone:
      break;
    case passes::Place::kFixed:
      return byte_offset(arena_, constant(placement.offset));
    case passes::Place::kSlot:
      return byte_offset(arena_, load_slot(layout_.slot_offsets[static_cast<size_t>(placement.index)]));
    case passes::Place::kDynamic:
      return element(dynamic_, placement.index);
    case passes::Place::kState:
      return byte_offset(state_, constant(placement.offset));
  }
  fail(ErrorKind::kInternal, "the buffer '{}' has no memory", buffer.name);
}

llvm::Value* RunEmitter::element_pointer(BufferId id, const std::vector<ir::Expr>& index) {
  std::optional<ir::Strides> strides = ir::strides_of(program_, id);
  check(strides.has_value(), "an element that a step reads has an address");
  Dim offset = strides->offset;
  for (size_t i = 0; i < index.size(); ++i) offset += dim_of(index[i]) * strides->strides[i];
  Dim bytes = ir::floor_div(offset * Dim(bit_width(program_.buffer(id).dtype)), 8);
  return byte_offset(root_pointer(ir::root_of(program_, id)), evaluate(bytes));
}

llvm::Value* RunEmitter::load_integer(BufferId id, const std::vector<ir::Expr>& index) {
  DType type = program_.buffer(id).dtype;
  check((is_integer(type) && bit_width(type) >= 8) || type == DType::kBool, "a step reads a whole integer");
  std::vector<ir::Expr> full = index;
  while (full.size() < program_.buffer(id).shape.size()) full.push_back(ir::integer(0));
  llvm::Type* memory = builder_.getIntNTy(static_cast<unsigned>(bit_width(type)));
  llvm::Value* value = builder_.CreateLoad(memory, element_pointer(id, full));
  return builder_.CreateIntCast(value, builder_.getInt64Ty(), is_signed(type));
}

}  // namespace dlc::codegen
