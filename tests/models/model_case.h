// The models that the tests run: those of shared/models, and the networks that make_references.py records.
#pragma once

#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "runtime/tensor.h"

namespace dlc::test {

struct ModelCase {
  std::string name;
  std::filesystem::path folder;  // of the model and its data sets
};

inline void PrintTo(const ModelCase& item, std::ostream* stream) { *stream << item.name; }

// Whether the environment has DLC_MODELS=all: everything, which takes an hour.
bool all_models();
// All folders of shared/models; none where that is absent.
std::vector<ModelCase> real_models();
// The networks of networks.txt; those that are marked as long only if all_models(). Their folders
// are there once references.sh has made them.
std::vector<ModelCase> recorded_networks();

std::vector<std::filesystem::path> data_sets(const std::filesystem::path& folder);
// Of a data set that holds nothing else: role_0.pb, role_1.pb, ... Error(kData).
std::vector<Tensor> read_tensors(const std::filesystem::path& set, const std::string& role);

// What is not as strict as for all others, and why: expectations.txt.
class Expectations {
 public:
  // Lines "bound CASE OUTPUT NUMBER REASON...", where OUTPUT is a pattern for fnmatch(), "inner CASE NUMBER
  // REASON..." and "fails CASE REASON...". # begins a comment. Error(kData) naming the line.
  explicit Expectations(const std::filesystem::path& path);

  // The largest max|difference| / max|reference| of an output, and of intermediate values.
  double bound(const std::string& name, const std::string& output) const;
  double inner_bound(const std::string& name) const;
  // Why the model does not run yet; "" where it does.
  std::string fails(const std::string& name) const;
  std::vector<std::string> names() const;

 private:
  void parse(const std::string& text);

  struct Bound {
    std::string name;
    std::string output;  // pattern
    double number;
  };
  std::vector<Bound> bounds_;
  std::map<std::string, double> inner_bounds_;
  std::map<std::string, std::string> failures_;
};

const Expectations& expectations();

}  // namespace dlc::test
