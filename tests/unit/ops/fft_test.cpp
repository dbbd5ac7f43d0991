// Fourier transforms of many lengths against the definition, in double precision.
#include <gtest/gtest.h>

#include <cmath>
#include <complex>
#include <random>

#include "codegen/compile.h"
#include "tests/unit/frontend/model_text.h"

namespace dlc::test {
namespace {

using Row = std::vector<std::complex<double>>;

Row transform(const Row& x, bool inverse) {
  const size_t n = x.size();
  const double sign = inverse ? 1 : -1;
  Row roots(n), result(n);
  for (size_t k = 0; k < n; ++k)
    roots[k] = std::polar(1.0, sign * 2 * M_PI * static_cast<double>(k) / static_cast<double>(n));
  for (size_t k = 0; k < n; ++k) {
    for (size_t i = 0; i < n; ++i) result[k] += x[i] * roots[k * i % n];
    if (inverse) result[k] /= static_cast<double>(n);
  }
  return result;
}

// What the transform does with its rows.
struct Form {
  const char* name;
  const char* attributes;
  bool real_input;
  bool inverse;
  bool onesided;
};
constexpr Form kForms[] = {
    {"complex", "", false, false, false},
    {"inverse", "inverse = 1", false, true, false},
    {"real", "", true, false, false},
    {"real, one side", "onesided = 1", true, false, true},
    {"to real", "inverse = 1, onesided = 1", false, true, true},
};

struct Compiled {
  Form form;
  DType type;
  runtime::Program program;
  runtime::Context context;
};

// Rows [outer, length, inner], transformed along the middle.
Compiled compile(const Form& form, DType type) {
  const std::string element = type == DType::kDouble ? "double" : "float";
  const std::string attributes = form.attributes[0] == 0 ? "" : std::string("<") + form.attributes + ">";
  const std::string text = "<ir_version: 9, opset_import: [\"\" : 20]>\ng (" + element +
                           "[O,L,I,P] x, int64 n) => (" + element +
                           "[a,b,c,d] y) <int64 axis = {1}> { y = DFT" + attributes + "(x, n, axis) }";
  auto graph = graph_from_text(text);
  runtime::Program program = codegen::compile(*graph, {});
  runtime::Context context(program, {.threads = 2});
  return {form, type, std::move(program), std::move(context)};
}

std::vector<Compiled> all_forms(DType type) {
  std::vector<Compiled> result;
  for (const Form& form : kForms) result.push_back(compile(form, type));
  return result;
}

// Row (o, i) of a tensor [outer, length, inner, parts], cut or filled up to `length`.
Row row_of(const Tensor& x, int64_t o, int64_t i, int64_t length) {
  const int64_t extent = x.shape()[1], inner = x.shape()[2], parts = x.shape()[3];
  Row row(static_cast<size_t>(length));
  for (int64_t k = 0; k < std::min(extent, length); ++k) {
    const int64_t at = ((o * extent + k) * inner + i) * parts;
    row[static_cast<size_t>(k)] = {x.get_double(at), parts == 2 ? x.get_double(at + 1) : 0};
  }
  return row;
}

// A one-sided spectrum made whole.
Row mirrored(const Row& half, int64_t length) {
  Row row(static_cast<size_t>(length));
  for (int64_t k = 0; k < length; ++k) {
    const bool lower = 2 * k <= length;
    const auto value = half[static_cast<size_t>(lower ? k : length - k)];
    row[static_cast<size_t>(k)] = lower ? value : std::conj(value);
    if (k == 0 || 2 * k == length) row[static_cast<size_t>(k)] = value.real();
  }
  return row;
}

void check(Compiled& compiled, int64_t outer, int64_t extent, int64_t inner, int64_t n,
           std::mt19937& random) {
  const Form& form = compiled.form;
  SCOPED_TRACE(fmt::format("{} of {} in {} rows of {}, {} inner", form.name, n, outer, extent, inner));
  Tensor x(compiled.type, {outer, extent, inner, form.real_input ? 1 : 2});
  std::normal_distribution<double> normal;
  for (int64_t k = 0; k < x.size(); ++k) x.set_double(k, normal(random));
  const Tensor length = Tensor::scalar(DType::kInt64, static_cast<double>(n));
  const Tensor y = compiled.context.run({x, length})[0];
  const bool to_real = form.inverse && form.onesided;
  const int64_t expected_length = form.onesided && !form.inverse ? n / 2 + 1 : n;
  ASSERT_EQ(y.shape(), (std::vector<int64_t>{outer, expected_length, inner, to_real ? 1 : 2}));
  double error = 0, size = 0;
  for (int64_t o = 0; o < outer; ++o) {
    for (int64_t i = 0; i < inner; ++i) {
      Row row = row_of(x, o, i, to_real ? n / 2 + 1 : n);
      const Row expected = transform(to_real ? mirrored(row, n) : row, form.inverse);
      const Row found = row_of(y, o, i, expected_length);
      for (size_t k = 0; k < found.size(); ++k) {
        const auto value = to_real ? expected[k].real() : expected[k];
        error = std::max(error, std::abs(found[k] - value));
        size = std::max(size, std::abs(value));
      }
    }
  }
  EXPECT_LE(error, (compiled.type == DType::kDouble ? 2e-14 : 2e-6) * std::max(size, 1e-3));
}

void check_lengths(DType type, const std::vector<int64_t>& lengths) {
  const unsigned seed = 20;
  std::mt19937 random(seed);
  for (Compiled& compiled : all_forms(type)) {
    for (int64_t n : lengths) check(compiled, 2, n, 1, n, random);
  }
}

TEST(Fft, TransformsEveryLength) {
  std::vector<int64_t> lengths;
  for (int64_t n = 1; n <= 70; ++n) lengths.push_back(n);
  lengths.insert(lengths.end(), {97, 121, 128, 210, 243, 250, 256, 343, 512, 625, 1000, 1024});
  check_lengths(DType::kFloat, lengths);
  check_lengths(DType::kDouble, lengths);
}

TEST(Fft, TransformsLargePrimesAsConvolutions) {
  check_lengths(DType::kFloat, {37, 74, 127, 509, 1009, 1018});
  check_lengths(DType::kDouble, {37, 127, 1009, 1018});
}

TEST(Fft, TransformsManyRowsAtATime) {
  std::mt19937 random(21);
  for (DType type : {DType::kFloat, DType::kDouble}) {
    for (Compiled& compiled : all_forms(type)) {
      for (int64_t n : {1, 6, 12, 30, 64, 77, 100, 256}) {
        check(compiled, 37, n, 1, n, random);
        check(compiled, 1, n, 19, n, random);
        check(compiled, 3, n, 5, n, random);
      }
    }
  }
}

TEST(Fft, CutsRowsAndFillsThemUp) {
  std::mt19937 random(22);
  for (Compiled& compiled : all_forms(DType::kFloat)) {
    for (int64_t n : {15, 16}) {
      for (int64_t extent : {1, 4, 7, 8, 9, 15, 16, 20}) check(compiled, 2, extent, 3, n, random);
    }
  }
}

TEST(Fft, TakesNoRows) {
  for (Compiled& compiled : all_forms(DType::kFloat)) {
    std::mt19937 random(23);
    check(compiled, 0, 12, 3, 12, random);
    check(compiled, 2, 37, 0, 37, random);
  }
}

}  // namespace
}  // namespace dlc::test
