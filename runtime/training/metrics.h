// How good a model's outputs are.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runtime/tensor.h"
#include "runtime/training/loader.h"

namespace dlc::training {

// Collects over the batches of a data set.
class Metrics {
 public:
  // "accuracy", "top5" (or another number), "f1" (the mean over the classes) of class numbers; "mae", "mse"
  // of values. Error(kUsage) for other names.
  explicit Metrics(std::vector<std::string> names);

  void add(const Tensor& output, const Batch& batch);
  // By name; in [0, 1] for those of classes. Nothing where no sample counted.
  std::map<std::string, double> results() const;

  // What has been collected, as numbers that may be added to those of other parts of the data.
  std::vector<double> counts() const;
  void set_counts(const std::vector<double>& counts);

  // Of class numbers; others are of values.
  static bool is_of_classes(const std::string& name);
  // Whether a larger value is the better one.
  static bool is_gain(const std::string& name);

 private:
  void add_classes(const Tensor& output, const Tensor& target, const Tensor& weights);
  void add_values(const Tensor& output, const Tensor& target, const Tensor& weights);
  double mean_f1() const;
  template <class Self, class Visit>
  static void visit_counts(Self& self, const Visit& visit);

  std::vector<std::string> names_;
  double count_ = 0;
  std::map<int64_t, double> hits_;  // by k
  double absolute_ = 0;
  double squares_ = 0;
  double values_ = 0;
  struct Class {
    double right = 0;
    double predicted = 0;
    double actual = 0;
  };
  bool counts_classes_ = false;  // for f1
  std::vector<Class> classes_;
};

}  // namespace dlc::training
