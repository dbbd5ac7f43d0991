// The functions that an attention kernel is made of.
#pragma once

#include <string>

#include "codegen/attention_plan.h"
#include "codegen/emit.h"

namespace dlc::codegen {

// What the functions of one attention kernel share.
struct AttentionProblem {
  llvm::Module& module;
  const ir::Program& program;
  const Target& target;
  KernelSignature& signature;
  const ir::Attention& attention;
  const AttentionPlan& plan;
  std::string name;
};

// A function in the making. Its arguments are those of a kernel's buffers and dims, then pointers into
// scratch memory, which do not alias, then numbers (i64).
class AttentionPart {
 public:
  AttentionPart(const AttentionPart&) = delete;

 protected:
  AttentionPart(const AttentionProblem& problem, const std::string& name, int pointers, int numbers);

  llvm::Value* pointer(int i) const;
  llvm::Value* number(int i) const;
  llvm::Function* finish();

  // Binds the variables of the batch or rows axes to the element of this number, row-major.
  void at_batch(llvm::Value* batch) { bind(a_.batch, batch); }
  void at_row(llvm::Value* row) { bind(a_.rows, row); }

  // The address of an element with these coordinates; axes that are not named must be bound.
  llvm::Value* address(const ir::Element& element, const ir::LoopAxis& first, llvm::Value* first_at,
                       const ir::LoopAxis& second, llvm::Value* second_at);
  DType type_of(const ir::Element& element) const { return p_.program.buffer(element.buffer).dtype; }
  llvm::Value* stride(const ir::Element& element, const ir::LoopAxis& axis);

  // `width` elements of an operand in the accumulator's type. Of fewer than `width`, only these are read.
  llvm::Value* load_operand(llvm::Value* at, DType type, int width, int64_t count);
  // One element, in all lanes.
  llvm::Value* load_splat(llvm::Value* at, DType type);
  llvm::Value* element_at(llvm::Value* base, DType type, llvm::Value* offset);

  // Scratch memory holds elements of the accumulator's type.
  llvm::Value* scratch_at(llvm::Value* base, llvm::Value* offset);
  llvm::Value* scratch_at(llvm::Value* base, int64_t offset) { return scratch_at(base, index(offset)); }
  llvm::Value* load_scalar(llvm::Value* at) { return builder_.CreateLoad(scalar_, at); }
  llvm::Value* load_vector(llvm::Value* at);
  void store(llvm::Value* value, llvm::Value* at);

  llvm::Value* index(int64_t value) { return emitter_.index(value); }
  llvm::Value* add(llvm::Value* a, llvm::Value* b) { return builder_.CreateAdd(a, b); }
  llvm::Value* add(llvm::Value* a, int64_t b) { return builder_.CreateAdd(a, index(b)); }
  llvm::Value* mul(llvm::Value* a, int64_t b) { return builder_.CreateMul(a, index(b)); }
  llvm::Value* smaller(llvm::Value* a, llvm::Value* b) { return emitter_.smaller(a, b); }
  llvm::Value* splat(llvm::Value* scalar);
  llvm::Value* number_of(double value) { return llvm::ConstantFP::get(scalar_, value); }

  const AttentionProblem& p_;
  const ir::Attention& a_;
  const AttentionPlan& plan_;
  llvm::Function* function_;
  KernelEmitter emitter_;
  llvm::IRBuilder<>& builder_;
  llvm::Type* scalar_;
  llvm::FixedVectorType* vector_;

 private:
  void bind(const std::vector<ir::LoopAxis>& axes, llvm::Value* flat);
  int pointers_;
};

// Each gives the function, made on first use. Keys are counted from the first of the batch element; those of
// a block begin at `block`, the scores of a row begin with that key.

// (packed keys | batch, block, count): keys as panels [count / 16][depth][16].
llvm::Function* attention_pack(const AttentionProblem& problem);
// (packed keys, scores | batch, row, begin, end): products of `rows` rows with the panels [begin, end).
llvm::Function* attention_products(const AttentionProblem& problem, int rows);
// (query, scores | batch, row, block, begin, end): products of one row with keys [begin, end) where they are.
llvm::Function* attention_dots(const AttentionProblem& problem);
// (scores, maxima, sums, corrections | batch, row, count, block, begin, end): scores and weights of `count`
// rows for keys [begin, end) in place of the products, with the running maxima and sums of these rows;
// corrections are the factors by which what was summed before has shrunk.
llvm::Function* attention_weights(const AttentionProblem& problem);
// (scores, results, corrections | batch, block, begin, end): results of `rows` rows, corrected, plus weights
// times values.
llvm::Function* attention_values(const AttentionProblem& problem, int rows);
// (results, sums | batch, row, count): results of `count` rows divided by the sums, to the output.
llvm::Function* attention_finish(const AttentionProblem& problem);

}  // namespace dlc::codegen
