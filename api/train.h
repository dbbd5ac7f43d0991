// Training for C++ programs, with the loop of dlc or one of one's own.
//
//   dlc::train::Model model("model.onnx");
//   model.replace_head(4);
//   const std::unique_ptr<dlc::training::Stepper> stepper = model.compile({.batch = 16});
//   const MyDataset data;  // a dlc::training::Dataset
//   const dlc::training::Subset all = dlc::training::all_of(data);
//   dlc::training::Loader loader(data, all, stepper->fields(), {.batch = 16});
//   dlc::training::Trainer trainer(*stepper, loader, nullptr, {.epochs = 5, .rate = 1e-3});
//   trainer.run({}, stop);
//   model.save("tuned.onnx", *stepper);
//
// In place of the trainer: loader.start(epoch), and stepper->step(*batch, rate) for every batch of
// loader.next().
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "passes/options.h"
#include "passes/training/options.h"
#include "runtime/error.h"
#include "runtime/tensor.h"
#include "runtime/training/checkpoint.h"
#include "runtime/training/dataset.h"
#include "runtime/training/image_folder.h"
#include "runtime/training/loader.h"
#include "runtime/training/stepper.h"
#include "runtime/training/table_data.h"
#include "runtime/training/token_data.h"
#include "runtime/training/trainer.h"

namespace dlc::train {

struct Options {
  int64_t batch = 32;
  passes::TrainingOptions step = {};  // loss, optimizer, clipping, normalisation, averages
  // Patterns of parameters by their own or their node's name: those that stay as they are, and those that
  // alone are trained. A new head is trained in any case.
  std::vector<std::string> freeze = {};
  std::vector<std::string> train = {};
  // Adapters, which alone are trained then, but for what `train` names.
  std::optional<passes::AdapterChoice> lora = {};
  std::vector<passes::RateScale> rate_scales = {};                // of parameters that learn faster or slower
  std::map<std::string, std::vector<int64_t>> input_shapes = {};  // as in frontend::ReadOptions
  std::string cpu = "native";
  passes::Precision precision = passes::Precision::kFloat32;  // of the factors of large products
  int threads = 0;                                            // 0: as many as the process may use
};

// Loss and gradients of batches, for updates of one's own.
class Gradients {
 public:
  struct Result {
    double loss = 0;
    std::map<std::string, Tensor> of;  // by parameter
  };
  ~Gradients();
  Gradients(Gradients&&) noexcept;

  // `parameters`: all that are trained, by name.
  Result of(const training::Batch& batch, const std::map<std::string, Tensor>& parameters);
  const std::vector<training::Field>& fields() const;  // of a batch

 private:
  friend class Model;
  struct Impl;
  explicit Gradients(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A model on its way from one ONNX file to another. Faults are Errors, as everywhere.
class Model {
 public:
  explicit Model(const std::string& path);

  // Makes the last linear layer in front of an output (empty: the first) anew, with random weights.
  void replace_head(int64_t classes, uint64_t seed = 0, const std::string& output = "");

  // The parameters that the options train, with their values, by name.
  std::map<std::string, Tensor> trained(const Options& options) const;
  // The compiled step, with the model's parameters. Error(kUsage) for a pattern that matches nothing.
  std::unique_ptr<training::Stepper> compile(const Options& options) const;
  // Loss and gradients alone; the options' optimizer and clipping do not matter.
  Gradients compile_gradients(const Options& options) const;
  // The number of the output that the options' loss looks at, for TrainerOptions::output.
  size_t output_of(const Options& options) const;

  // How many classes the targets of the options' loss have, for LoaderOptions::classes; 0: they are no class
  // numbers.
  int64_t classes_of(const Options& options) const;

  // For Trainer::set_model_hash(): checkpoints of other models are refused.
  std::string hash() const;

  // Writes the model as ONNX, with the parameters of a stepper or others by name, and everything else as it
  // was. Those of a stepper are the averages where it keeps some; the options that it was compiled with say
  // which adapters to merge.
  void save(const std::string& path, const training::Stepper& stepper, const Options& options = {}) const;
  void save(const std::string& path, const std::map<std::string, Tensor>& parameters) const;

 private:
  std::string path_;
  std::string bytes_;
  std::vector<std::string> new_head_;  // weights and biases that replace_head() has made
};

}  // namespace dlc::train
