// The model of an official case in each of the forms in which it is tested.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/value.h"

namespace dlc::test {

enum class Mode {
  kStatic,    // as it is: the shapes of all inputs are numbers
  kSymbolic,  // every extent of an input is a symbol of its own, and no other shape is stated
  kConstant,  // the inputs of a data set are initializers
};
constexpr Mode kModes[] = {Mode::kStatic, Mode::kSymbolic, Mode::kConstant};
std::string_view name(Mode mode);

// Operators of the main graph, of sub-graphs and of functions: "Add", "ai.onnx.ml.Scaler".
struct OfficialCase {
  std::string name;
  std::filesystem::path folder;
  std::vector<std::string> operators;
};
// All of the kinds node, simple, pytorch-converted and pytorch-operator, in the order of their names.
std::vector<OfficialCase> official_cases();
// Whether dlc or the ONNX library, by a function body, knows what the operator does.
bool is_defined(const std::string& op);

std::vector<std::filesystem::path> data_sets(const std::filesystem::path& folder);

// Inputs of one-dimensional integers keep their extent in kSymbolic: they are shapes, axes and pads, whose
// number is the rank of another value. `set` is the data set of kConstant.
std::string model_bytes(const std::filesystem::path& folder, Mode mode, const std::filesystem::path& set);

// Of the inputs that are no initializers.
std::vector<ValueKind> input_kinds(const std::filesystem::path& folder);

// Whether input `index`, counted without initializers, is still one in this form.
bool is_kept(const std::filesystem::path& folder, Mode mode, size_t index);

}  // namespace dlc::test
