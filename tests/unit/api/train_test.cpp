// Training from C++ and from C.
#include "api/train.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "api/dlc.h"
#include "api/dlc_c.h"
#include "runtime/training/random.h"
#include "tests/support/error_text.h"
#include "tests/support/paths.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

std::string model_path() { return (source_dir() / "examples/digits/digits.onnx").string(); }

// Pictures of 8x8 with a bright quarter, and its number, made of the sample's number alone.
void make_sample(int64_t index, float* picture, int64_t* target) {
  training::Random random(static_cast<uint64_t>(index));
  *target = static_cast<int64_t>(random.below(4));
  for (int64_t pixel = 0; pixel < 64; ++pixel) {
    const bool is_bright = pixel / 32 == *target / 2 && pixel % 8 / 4 == *target % 2;
    picture[pixel] = static_cast<float>(random.unit() * 0.5) + (is_bright ? 0.5F : 0.0F);
  }
}

class Quarters : public training::Dataset {
 public:
  int64_t size() const override { return 160; }
  bool read(int64_t index, std::optional<uint64_t>, std::span<void* const> places) const override {
    make_sample(index, static_cast<float*>(places[0]), static_cast<int64_t*>(places[1]));
    return true;
  }
};

// What a model makes of samples, one row each.
std::vector<std::vector<float>> scores_of(const std::string& path, int64_t first, int64_t count) {
  const runtime::Program program = codegen::compile(*frontend::read_model(path), {});
  runtime::Context context(program);
  std::vector<std::vector<float>> result;
  for (int64_t i = 0; i < count; ++i) {
    Tensor picture(DType::kFloat, {1, 1, 8, 8});
    int64_t target = 0;
    make_sample(first + i, picture.mutable_as<float>(), &target);
    const Tensor output = context.run({picture})[0];
    result.emplace_back(output.as<float>(), output.as<float>() + output.size());
  }
  return result;
}

TEST(Train, FitsWithTheLoopOfTheLibraryOrOnesOwn) {
  const TemporaryFolder folder;
  const Quarters data;
  const training::Subset all = training::all_of(data);
  std::vector<std::string> files;
  for (const bool own_loop : {false, true}) {
    train::Model model(model_path());
    model.replace_head(4, 3);
    const auto stepper = model.compile({.batch = 16, .threads = 1});
    training::Loader loader(data, all, stepper->fields(), {.batch = 16, .seed = 1});
    if (own_loop) {
      for (int64_t epoch = 0; epoch < 3; ++epoch) {
        loader.start(epoch);
        while (const training::Batch* batch = loader.next()) stepper->step(*batch, 5e-3);
      }
    } else {
      const std::atomic<bool> stop = false;
      training::Trainer(*stepper, loader, nullptr, {.epochs = 3, .rate = 5e-3}).run({}, stop);
    }
    files.push_back(folder / (own_loop ? "own.onnx" : "library.onnx"));
    model.save(files.back(), *stepper);
  }
  constexpr int64_t kFirst = 1000;  // of samples that it has not seen
  const std::vector<std::vector<float>> scores = scores_of(files[0], kFirst, 20);
  EXPECT_EQ(scores, scores_of(files[1], kFirst, 20));
  int64_t right = 0;
  for (int64_t i = 0; i < 20; ++i) {
    float picture[64];
    int64_t target = 0;
    make_sample(kFirst + i, picture, &target);
    const std::vector<float>& row = scores[static_cast<size_t>(i)];
    right += std::max_element(row.begin(), row.end()) - row.begin() == target ? 1 : 0;
  }
  EXPECT_GE(right, 19);
}

// Gradients by name are those that the compiled step descends along.
TEST(Train, GivesTheGradientsOfTheStep) {
  const train::Model model(model_path());
  const train::Options options{.batch = 8,
                               .step = {.optimizer = {.kind = passes::OptimizerKind::kSgd}},
                               .freeze = {"filters*"},
                               .threads = 1};
  const Quarters data;
  const training::Subset all = training::all_of(data);
  const auto stepper = model.compile(options);
  training::Loader loader(data, all, stepper->fields(), {.batch = 8});
  loader.start(0);
  const training::Batch* batch = loader.next();
  const std::map<std::string, Tensor> parameters = model.trained(options);
  EXPECT_EQ(parameters.size(), 4U) << "all but the frozen ones";
  train::Gradients gradients = model.compile_gradients(options);
  const train::Gradients::Result result = gradients.of(*batch, parameters);
  const training::StepResult step = stepper->step(*batch, 0.5);
  EXPECT_FLOAT_EQ(static_cast<float>(result.loss), static_cast<float>(step.loss));
  double squares = 0;
  for (const auto& [name, next] : stepper->states({training::StateRole::kParameter})) {
    const Tensor& gradient = result.of.at(name);
    const Tensor& before = parameters.at(name);
    for (int64_t i = 0; i < gradient.size(); ++i) {
      squares += gradient.get_double(i) * gradient.get_double(i);
      ASSERT_NEAR(next.get_double(i), before.get_double(i) - 0.5 * gradient.get_double(i), 1e-6)
          << name << " " << i;
    }
  }
  EXPECT_NEAR(std::sqrt(squares), step.gradient_norm, 1e-4 * step.gradient_norm);
  std::map<std::string, Tensor> few = parameters;
  few.erase(few.begin());
  expect_contains(message_of([&] { gradients.of(*batch, few); }), "which the gradient needs");
}

std::map<std::string, Tensor> constants_of(const std::string& path) {
  const auto graph = frontend::read_model(path);
  std::map<std::string, Tensor> result;
  for (const ir::Value* value : graph->constants()) result[value->name()] = value->constant();
  return result;
}

bool is_same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::equal(a.as<float>(), a.as<float>() + a.size(), b.as<float>());
}

// The saved model computes what the averages of adapters and head do beside the weights that stay.
TEST(Train, SavesAdaptersMergedAndAveraged) {
  const TemporaryFolder folder;
  train::Model model(model_path());
  model.replace_head(4, 3);
  const train::Options options{
      .batch = 16,
      .step = {.average = 0.6},
      .lora = passes::AdapterChoice{.options = {.rank = 2, .alpha = 6}, .targets = {"hidden*"}},
      .threads = 1};
  EXPECT_EQ(model.trained(options).size(), 4U) << "two matrices, and the head's weight and bias";
  const auto stepper = model.compile(options);
  const Quarters data;
  const training::Subset all = training::all_of(data);
  training::Loader loader(data, all, stepper->fields(), {.batch = 16, .shuffle = false});
  loader.start(0);
  double first = 0;
  double last = 0;
  while (const training::Batch* batch = loader.next()) {
    last = stepper->step(*batch, 1e-2).loss;
    if (first == 0) first = last;
  }
  EXPECT_LT(last, first);
  const std::string file = folder / "tuned.onnx";
  model.save(file, *stepper, options);
  const std::map<std::string, Tensor> before = constants_of(model_path());
  const std::map<std::string, Tensor> after = constants_of(file);
  EXPECT_EQ(after.size(), before.size());
  EXPECT_TRUE(is_same(after.at("filters"), before.at("filters")));
  EXPECT_TRUE(is_same(after.at("hidden_bias"), before.at("hidden_bias")));
  EXPECT_FALSE(is_same(after.at("hidden_weight"), before.at("hidden_weight")));
  loader.start(0);
  const training::Batch* batch = loader.next();
  const training::EvaluationResult evaluation = stepper->evaluate(*batch);
  const std::vector<std::vector<float>> scores = scores_of(file, 0, 16);
  for (int64_t i = 0; i < evaluation.outputs[0].size(); ++i) {
    EXPECT_NEAR(evaluation.outputs[0].get_double(i),
                scores[static_cast<size_t>(i / 4)][static_cast<size_t>(i % 4)], 1e-5);
  }
}

// Plain gradient descent goes so much less far.
TEST(Train, ScalesTheRatesOfParameters) {
  const train::Model model(model_path());
  train::Options options{
      .batch = 16, .step = {.optimizer = {.kind = passes::OptimizerKind::kSgd}}, .threads = 1};
  const std::map<std::string, Tensor> before = model.trained(options);
  const Quarters data;
  const training::Subset all = training::all_of(data);
  std::map<std::string, Tensor> moved[2];
  for (const bool is_scaled : {false, true}) {
    if (is_scaled) options.rate_scales = {{"output*", 0.25}};
    const auto stepper = model.compile(options);
    training::Loader loader(data, all, stepper->fields(), {.batch = 16});
    loader.start(0);
    stepper->step(*loader.next(), 1);
    for (const auto& [name, tensor] : stepper->states({training::StateRole::kParameter}))
      moved[is_scaled ? 1 : 0][name] = training::converted(tensor, DType::kDouble);
  }
  for (const auto& [name, start] : before) {
    const double factor = name.starts_with("output") ? 0.25 : 1;
    for (int64_t i = 0; i < start.size(); ++i) {
      const double plain = moved[0].at(name).get_double(i) - start.get_double(i);
      ASSERT_NEAR(moved[1].at(name).get_double(i) - start.get_double(i), factor * plain, 1e-6) << name;
    }
  }
}

TEST(Train, NamesWhatDoesNotFit) {
  const train::Model model(model_path());
  expect_contains(message_of([&] { model.compile({.freeze = {"nothing*"}}); }),
                  "no parameter matches 'nothing*'");
  expect_contains(message_of([&] { model.compile({.freeze = {"*"}}); }), "no parameter is left to train");
  expect_contains(message_of([] { train::Model("/nowhere.onnx"); }), "/nowhere.onnx");
  const TemporaryFolder folder;
  expect_contains(message_of([&] {
                    model.save(folder / "a.onnx", {{"nothing", Tensor(DType::kFloat, {1})}});
                  }),
                  "nothing");
}

// ---- C ----------------------------------------------------------------------------------------------------

// What the callbacks of a test are given.
struct Caller {
  int64_t wrong_class = -1;  // instead of the right one
  std::atomic<int64_t> reads = 0;
  std::vector<dlc_epoch> epochs;
  int64_t epochs_wanted = 100;
};

int32_t read_sample(void* user, int64_t index, void* const* places) {
  auto* caller = static_cast<Caller*>(user);
  ++caller->reads;
  auto* target = static_cast<int64_t*>(places[1]);
  make_sample(index, static_cast<float*>(places[0]), target);
  if (caller->wrong_class >= 0) *target = caller->wrong_class;
  return index % 10 == 9;  // every tenth cannot be read
}

int32_t count_epoch(void* user, const dlc_epoch* epoch) {
  auto* caller = static_cast<Caller*>(user);
  caller->epochs.push_back(*epoch);
  return std::ssize(caller->epochs) == caller->epochs_wanted;
}

class TrainC : public testing::Test {
 protected:
  void SetUp() override {
    dlc_training_options options{};
    options.struct_size = sizeof options;
    options.threads = 1;
    options.batch = 16;
    options.head_classes = 4;
    options.clip_norm = 5;
    ASSERT_EQ(dlc_trainer_create(model_path().c_str(), &options, &trainer_), DLC_OK) << dlc_last_error();
  }
  void TearDown() override { dlc_trainer_release(trainer_); }

  dlc_dataset dataset(int64_t size = 160) { return {sizeof(dlc_dataset), size, read_sample, &caller_}; }
  dlc_fit_options fit_options(int64_t epochs) {
    dlc_fit_options options{};
    options.struct_size = sizeof options;
    options.schedule = DLC_SCHEDULE_COSINE;
    options.loader_threads = 2;
    options.epochs = epochs;
    options.rate = 5e-3;
    options.on_epoch = count_epoch;
    options.user = &caller_;
    return options;
  }

  dlc_trainer* trainer_ = nullptr;
  Caller caller_;
};

TEST_F(TrainC, FitsOnSamplesOfAFunction) {
  ASSERT_EQ(dlc_trainer_num_fields(trainer_), 2);
  dlc_field field{};
  ASSERT_EQ(dlc_trainer_field(trainer_, 0, &field), DLC_OK);
  EXPECT_STREQ(field.name, "image");
  EXPECT_EQ(std::vector<int64_t>(field.dims, field.dims + field.rank), (std::vector<int64_t>{16, 1, 8, 8}));
  ASSERT_EQ(dlc_trainer_field(trainer_, 1, &field), DLC_OK);
  EXPECT_EQ(field.dtype, 7) << "int64";
  EXPECT_EQ(field.rank, 1);

  const dlc_dataset data = dataset();
  const dlc_fit_options options = fit_options(4);
  ASSERT_EQ(dlc_trainer_fit(trainer_, &data, &data, &options), DLC_OK) << dlc_last_error();
  ASSERT_EQ(caller_.epochs.size(), 4U);
  EXPECT_EQ(caller_.epochs[3].step, 40);
  EXPECT_LT(caller_.epochs[3].training_loss, caller_.epochs[0].training_loss / 2);
  double loss = 0;
  double accuracy = 0;
  ASSERT_EQ(dlc_trainer_evaluate(trainer_, &data, "accuracy", &loss, &accuracy), DLC_OK) << dlc_last_error();
  EXPECT_DOUBLE_EQ(loss, caller_.epochs[3].validation_loss);
  EXPECT_GE(accuracy, 0.95);
  const TemporaryFolder folder;
  ASSERT_EQ(dlc_trainer_save(trainer_, (folder / "tuned.onnx").c_str()), DLC_OK) << dlc_last_error();
  EXPECT_EQ(scores_of(folder / "tuned.onnx", 0, 1)[0].size(), 4U);
}

// Only adapters and the new head change.
TEST(TrainAdaptersC, TrainsThem) {
  dlc_training_options options{};
  options.struct_size = sizeof options;
  options.threads = 1;
  options.batch = 16;
  options.head_classes = 4;
  options.lora_rank = 2;
  options.lora_targets = "hidden*";
  options.rate_scales = "hidden*=2,output*=0.5";
  options.average = 0.5;
  dlc_trainer* trainer = nullptr;
  ASSERT_EQ(dlc_trainer_create(model_path().c_str(), &options, &trainer), DLC_OK) << dlc_last_error();
  Caller caller;
  const dlc_dataset data{sizeof(dlc_dataset), 160, read_sample, &caller};
  dlc_fit_options fit{};
  fit.struct_size = sizeof fit;
  fit.epochs = 3;
  fit.rate = 1e-2;
  ASSERT_EQ(dlc_trainer_fit(trainer, &data, nullptr, &fit), DLC_OK) << dlc_last_error();
  const TemporaryFolder folder;
  const std::string file = folder / "tuned.onnx";
  ASSERT_EQ(dlc_trainer_save(trainer, file.c_str()), DLC_OK) << dlc_last_error();
  dlc_trainer_release(trainer);
  const std::map<std::string, Tensor> before = constants_of(model_path());
  const std::map<std::string, Tensor> after = constants_of(file);
  EXPECT_EQ(after.size(), before.size());
  for (const auto& [name, tensor] : before) {
    const bool stays = name.starts_with("filters") || name == "hidden_bias";
    EXPECT_EQ(is_same(after.at(name), tensor), stays) << name;
  }
}

TEST_F(TrainC, EndsWhereTheCallerSays) {
  const dlc_dataset data = dataset();
  const dlc_fit_options options = fit_options(50);
  caller_.epochs_wanted = 2;
  ASSERT_EQ(dlc_trainer_fit(trainer_, &data, nullptr, &options), DLC_OK) << dlc_last_error();
  EXPECT_EQ(caller_.epochs.size(), 2U);
  EXPECT_TRUE(std::isnan(caller_.epochs[0].validation_loss));
}

TEST_F(TrainC, TellsWhatIsWrong) {
  auto expect_fault = [](int32_t status, int32_t expected, const char* text) {
    EXPECT_EQ(status, expected);
    expect_contains(dlc_last_error(), text);
  };
  dlc_dataset data = dataset();
  expect_fault(dlc_trainer_fit(trainer_, nullptr, nullptr, nullptr), DLC_INVALID_ARGUMENT, "'data' is null");
  data.read = nullptr;
  expect_fault(dlc_trainer_fit(trainer_, &data, nullptr, nullptr), DLC_INVALID_ARGUMENT, "'read'");
  data = dataset(0);
  expect_fault(dlc_trainer_fit(trainer_, &data, nullptr, nullptr), DLC_INVALID_INPUT, "has 0 samples");
  data = dataset();
  dlc_fit_options options = fit_options(1);
  options.schedule = 17;
  expect_fault(dlc_trainer_fit(trainer_, &data, nullptr, &options), DLC_INVALID_ARGUMENT,
               "schedule: expected 0 to 5");
  options = fit_options(1);
  options.rate = -1;
  expect_fault(dlc_trainer_fit(trainer_, &data, nullptr, &options), DLC_INVALID_ARGUMENT,
               "rate: expected a positive");
  double loss = 0;
  double value = 0;
  expect_fault(dlc_trainer_evaluate(trainer_, &data, "auc", &loss, &value), DLC_INVALID_ARGUMENT,
               "no metric 'auc'");
  dlc_field field{};
  expect_fault(dlc_trainer_field(trainer_, 2, &field), DLC_INVALID_ARGUMENT,
               "index: expected 0 to 1, found 2");
  expect_fault(dlc_trainer_save(trainer_, "/nowhere/a.onnx"), DLC_IO, "/nowhere/a.onnx");
  dlc_trainer* none = nullptr;
  dlc_training_options wrong{};
  wrong.struct_size = sizeof wrong;
  wrong.lora_rank = -1;
  expect_fault(dlc_trainer_create(model_path().c_str(), &wrong, &none), DLC_INVALID_ARGUMENT,
               "lora_rank: expected 1 to 4096, found -1");
  wrong.lora_rank = 2;
  wrong.lora_targets = "nothing*";
  expect_fault(dlc_trainer_create(model_path().c_str(), &wrong, &none), DLC_INVALID_ARGUMENT,
               "no weight that an adapter can be added to matches 'nothing*'");
  wrong.lora_rank = 0;
  wrong.rate_scales = "hidden*";
  expect_fault(dlc_trainer_create(model_path().c_str(), &wrong, &none), DLC_INVALID_ARGUMENT,
               "rate_scales: expected PATTERN=FACTOR with a positive factor, found 'hidden*'");
  wrong.rate_scales = nullptr;
  wrong.average = 1;
  expect_fault(dlc_trainer_create(model_path().c_str(), &wrong, &none), DLC_INVALID_ARGUMENT,
               "average: expected a share in [0, 1), found 1");
  none = trainer_;
  expect_fault(dlc_trainer_create("/nowhere.onnx", nullptr, &none), DLC_IO, "/nowhere.onnx");
  EXPECT_EQ(none, nullptr);
  caller_.wrong_class = 4;
  options = fit_options(1);
  expect_fault(dlc_trainer_fit(trainer_, &data, nullptr, &options), DLC_INVALID_INPUT,
               "the class is 4, the model has classes 0 to 3");
}

}  // namespace
}  // namespace dlc::test
