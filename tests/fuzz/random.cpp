#include "tests/fuzz/random.h"

#include <limits>
#include <string>

namespace dlc::test {
namespace {

constexpr int64_t kTellingInts[] = {0,
                                    1,
                                    -1,
                                    2,
                                    -2,
                                    3,
                                    7,
                                    8,
                                    15,
                                    16,
                                    17,
                                    63,
                                    64,
                                    65,
                                    127,
                                    -128,
                                    255,
                                    256,
                                    1024,
                                    65536,
                                    1 << 20,
                                    INT32_MAX,
                                    INT32_MIN,
                                    int64_t{1} << 31,
                                    int64_t{1} << 32,
                                    int64_t{1} << 40,
                                    int64_t{1} << 62,
                                    INT64_MAX,
                                    INT64_MIN,
                                    INT64_MIN + 1,
                                    INT64_MAX - 1};

double telling_double(Random& random) {
  using Limits = std::numeric_limits<double>;
  constexpr double kTelling[] = {Limits::quiet_NaN(),
                                 Limits::infinity(),
                                 -Limits::infinity(),
                                 0.0,
                                 -0.0,
                                 1e38,
                                 -1e38,
                                 1e-40,
                                 1e300,
                                 9.3e18,
                                 -9.3e18,
                                 4.3e9};
  return pick_from(kTelling, random);
}

Tensor random_strings(const std::vector<int64_t>& shape, Random& random) {
  static const std::string kWords[] = {"", "a", "Ab c", "\xc3\xa4", "\xff", "1.5", std::string(1, '\0')};
  std::vector<std::string> values;
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  for (int64_t i = 0; i < count; ++i) values.push_back(pick_from(kWords, random));
  return Tensor::from_strings(shape, std::move(values));
}

}  // namespace

int64_t telling_int(Random& random) { return pick_from(kTellingInts, random); }

int64_t likely_int(Random& random) {
  return one_in(random, 8) ? telling_int(random) : static_cast<int64_t>(below(random, 7)) - 2;
}

Tensor random_values(DType type, const std::vector<int64_t>& shape, Random& random) {
  if (type == DType::kString) return random_strings(shape, random);
  Tensor tensor(type, shape);
  if (type == DType::kComplex64 || type == DType::kComplex128) return tensor;
  const bool wild = one_in(random, 4);
  const int64_t bias = one_in(random, 2) ? 0 : -2;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (type == DType::kBool) {
      tensor.set_int(i, static_cast<int64_t>(below(random, 2)));
    } else if (is_float(type)) {
      const double plain = static_cast<double>(below(random, 4001)) / 1000 - 2;
      tensor.set_double(i, wild && one_in(random, 4) ? telling_double(random) : plain);
    } else {
      const int64_t plain = static_cast<int64_t>(below(random, 5)) + bias;
      tensor.set_int(i, wild && one_in(random, 4) ? telling_int(random) : plain);
    }
  }
  return tensor;
}

}  // namespace dlc::test
