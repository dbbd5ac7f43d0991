#include "codegen/narrow_masked_stores.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>

#include <optional>
#include <vector>

namespace dlc::codegen {

namespace {

std::optional<uint64_t> sole_lane(const llvm::Value* mask) {
  auto* known = llvm::dyn_cast<llvm::Constant>(mask);
  if (known == nullptr) return std::nullopt;
  std::optional<uint64_t> lane;
  for (unsigned i = 0; i < llvm::cast<llvm::FixedVectorType>(mask->getType())->getNumElements(); ++i) {
    const llvm::Constant* active = known->getAggregateElement(i);
    if (active == nullptr || (!active->isNullValue() && lane)) return std::nullopt;
    if (!active->isNullValue()) lane = i;
  }
  return lane;
}

llvm::Value* mask_of(const llvm::IntrinsicInst& store) { return store.getArgOperand(store.arg_size() - 1); }

void store_lane(llvm::IntrinsicInst& store, uint64_t lane) {
  llvm::IRBuilder<> builder(&store);
  llvm::Value* element = builder.CreateExtractElement(store.getArgOperand(0), lane);
  llvm::Value* to = builder.CreateConstInBoundsGEP1_64(element->getType(), store.getArgOperand(1), lane);
  auto* scalar = builder.CreateAlignedStore(element, to, store.getParamAlign(1).valueOrOne());
  scalar->setAAMetadata(store.getAAMetadata());
  store.eraseFromParent();
}

}  // namespace

void narrow_masked_stores(llvm::Module& module) {
  std::vector<llvm::IntrinsicInst*> stores;
  for (llvm::Function& function : module) {
    for (llvm::Instruction& instruction : llvm::instructions(function)) {
      auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
      if (call && call->getIntrinsicID() == llvm::Intrinsic::masked_store && sole_lane(mask_of(*call)))
        stores.push_back(call);
    }
  }
  for (llvm::IntrinsicInst* store : stores) store_lane(*store, *sole_lane(mask_of(*store)));
}

}  // namespace dlc::codegen
