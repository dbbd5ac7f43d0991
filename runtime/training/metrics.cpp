#include "runtime/training/metrics.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "runtime/error.h"

namespace dlc::training {
namespace {

// k of "topk"; "accuracy" is "top1".
std::optional<int64_t> top_of(const std::string& name) {
  if (name == "accuracy") return 1;
  if (!name.starts_with("top")) return std::nullopt;
  int64_t k = 0;
  const char* end = name.data() + name.size();
  auto [rest, error] = std::from_chars(name.data() + 3, end, k);
  return error == std::errc() && rest == end && k > 0 ? std::optional(k) : std::nullopt;
}

// The scores of one place: classes at a stride.
struct Scores {
  const Tensor& tensor;
  int64_t first;
  int64_t stride;
  int64_t classes;

  double of(int64_t c) const { return tensor.get_double(first + c * stride); }
  // How many classes have a better score; NaN is never better.
  int64_t rank(int64_t c) const {
    double own = of(c);
    int64_t better = 0;
    for (int64_t k = 0; k < classes; ++k) better += of(k) > own || (of(k) == own && k < c) ? 1 : 0;
    return std::isnan(own) ? classes : better;
  }
  int64_t best() const {
    int64_t result = 0;
    for (int64_t k = 1; k < classes; ++k) {
      if (of(k) > of(result)) result = k;
    }
    return result;
  }
};

}  // namespace

Metrics::Metrics(std::vector<std::string> names) : names_(std::move(names)) {
  for (const std::string& name : names_) {
    if (auto k = top_of(name)) {
      hits_[*k] = 0;
    } else if (name == "f1") {
      counts_classes_ = true;
    } else if (name != "mae" && name != "mse") {
      fail(ErrorKind::kUsage,
           "there is no metric '{}'; there are accuracy, top5 (or another number), f1, mae, mse", name);
    }
  }
}

bool Metrics::is_gain(const std::string& name) { return is_of_classes(name); }

bool Metrics::is_of_classes(const std::string& name) { return name == "f1" || top_of(name).has_value(); }

void Metrics::add(const Tensor& output, const Batch& batch) {
  if (names_.empty()) return;
  const Tensor& target = batch.fields.back();
  if (is_float(target.dtype())) {
    add_values(output, target, batch.weights);
  } else {
    add_classes(output, target, batch.weights);
  }
}

// Targets of [batch, places...] with scores of [batch, classes, places...] or [batch, places, classes].
void Metrics::add_classes(const Tensor& output, const Tensor& target, const Tensor& weights) {
  bool last = output.rank() == 3;
  int64_t classes = output.shape()[last ? 2 : 1];
  int64_t samples = output.shape()[0];
  int64_t places = target.size() / std::max<int64_t>(samples, 1);
  classes_.resize(static_cast<size_t>(classes));
  for (int64_t i = 0; i < target.size(); ++i) {
    int64_t sample = i / places;
    int64_t right = target.get_int(i);
    if (weights.get_double(sample) == 0 || right < 0 || right >= classes) continue;
    Scores scores{output, 0, 1, classes};
    scores.first = last ? i * classes : sample * classes * places + i % places;
    scores.stride = last ? 1 : places;
    count_ += 1;
    if (!hits_.empty()) {
      int64_t rank = scores.rank(right);
      for (auto& [k, hits] : hits_) hits += rank < k ? 1 : 0;
    }
    if (!counts_classes_) continue;
    int64_t best = scores.best();
    classes_[static_cast<size_t>(best)].predicted += 1;
    classes_[static_cast<size_t>(right)].actual += 1;
    if (best == right) classes_[static_cast<size_t>(best)].right += 1;
  }
}

void Metrics::add_values(const Tensor& output, const Tensor& target, const Tensor& weights) {
  int64_t per_sample = target.size() / std::max<int64_t>(weights.size(), 1);
  for (int64_t i = 0; i < target.size(); ++i) {
    if (weights.get_double(i / per_sample) == 0) continue;
    double difference = output.get_double(i) - target.get_double(i);
    absolute_ += std::abs(difference);
    squares_ += difference * difference;
    values_ += 1;
  }
}

// Over the classes that occur.
double Metrics::mean_f1() const {
  double sum = 0;
  double count = 0;
  for (const Class& c : classes_) {
    if (c.actual + c.predicted == 0) continue;
    sum += 2 * c.right / (c.actual + c.predicted);
    count += 1;
  }
  return count == 0 ? 0 : sum / count;
}

template <class Self, class Visit>
void Metrics::visit_counts(Self& self, const Visit& visit) {
  visit(self.count_);
  for (auto& [k, hits] : self.hits_) visit(hits);
  visit(self.absolute_);
  visit(self.squares_);
  visit(self.values_);
  for (auto& of_class : self.classes_) {
    visit(of_class.right);
    visit(of_class.predicted);
    visit(of_class.actual);
  }
}

std::vector<double> Metrics::counts() const {
  std::vector<double> result;
  visit_counts(*this, [&](double count) { result.push_back(count); });
  return result;
}

void Metrics::set_counts(const std::vector<double>& counts) {
  size_t at = 0;
  visit_counts(*this, [&](double& count) { count = counts.at(at++); });
}

std::map<std::string, double> Metrics::results() const {
  std::map<std::string, double> result;
  for (const std::string& name : names_) {
    if (auto k = top_of(name); k && count_ > 0) result[name] = hits_.at(*k) / count_;
    if (name == "f1" && count_ > 0) result[name] = mean_f1();
    if (name == "mae" && values_ > 0) result[name] = absolute_ / values_;
    if (name == "mse" && values_ > 0) result[name] = squares_ / values_;
  }
  return result;
}

}  // namespace dlc::training
