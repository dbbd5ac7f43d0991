// A text as one long row of token ids: samples are windows of it, and the targets the token after each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/training/dataset.h"

namespace dlc::training {

struct TokenOptions {
  DType type = DType::kUint16;  // of the ids in a file without a header
  int64_t stride = 0;           // from the begin of a window to that of the next; 0: its length
  int64_t vocabulary = 0;       // ids are checked against it; 0: they are not
};

// Ids of a `.npy` file, or of any other file as they lie in memory, which is mapped. One integer input of
// [batch, length] takes the ids; one named attention_mask gets ones, position_ids counts, token_type_ids gets
// zeros. Error(kData) where the file does not fit or holds an id that is none, Error(kUsage) where the model
// has other inputs or its targets are not as many as its ids, Error(kIo).
std::unique_ptr<Dataset> open_tokens(const std::string& path, const std::vector<Field>& fields,
                                     const TokenOptions& options);

}  // namespace dlc::training
