// Teaches the digits model something else, with samples that the program makes: which quarter of a picture is
// the brightest. The loop is dlc's; below it is one step of a loop of one's own.
#include <atomic>
#include <cstdio>

#include <dlc/dlc.h>
#include <dlc/train.h>

namespace {

namespace training = dlc::training;

// Pictures of 8x8 with a bright quarter, and its number.
class Quarters : public training::Dataset {
 public:
  explicit Quarters(int64_t first) : first_(first) {}
  int64_t size() const override { return 400; }

  bool read(int64_t index, std::optional<uint64_t>, std::span<void* const> places) const override {
    auto* picture = static_cast<float*>(places[0]);
    auto* target = static_cast<int64_t*>(places[1]);
    uint64_t noise = static_cast<uint64_t>(first_ + index) * 0x9E3779B97F4A7C15;
    *target = static_cast<int64_t>(noise >> 62);
    for (int64_t pixel = 0; pixel < 64; ++pixel) {
      noise = noise * 6364136223846793005 + 1442695040888963407;
      const bool is_bright = pixel / 32 == *target / 2 && pixel % 8 / 4 == *target % 2;
      picture[pixel] = static_cast<float>(noise >> 40) * 0x1p-25F + (is_bright ? 0.4F : 0.0F);
    }
    return true;
  }

 private:
  int64_t first_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL.onnx TUNED.onnx\n", argv[0]);
    return 2;
  }
  dlc::train::Model model(argv[1]);
  model.replace_head(4);
  const dlc::train::Options options{.batch = 16, .threads = 1};
  const std::unique_ptr<training::Stepper> stepper = model.compile(options);

  const Quarters samples(0);
  const Quarters held_out(1000);
  const training::Subset all = training::all_of(samples);
  const training::Subset all_held_out = training::all_of(held_out);
  training::Loader loader(samples, all, stepper->fields(), {.batch = 16, .seed = 1});
  training::Loader validation(held_out, all_held_out, stepper->fields(), {.batch = 16, .shuffle = false});

  training::Trainer trainer(*stepper, loader, &validation,
                            {.epochs = 3, .rate = 5e-3, .metrics = {"accuracy"}, .decides = "accuracy"});
  const std::atomic<bool> stop = false;
  trainer.run({.on_epoch =
                   [](const training::EpochEvent& epoch) {
                     std::printf("epoch %lld: accuracy %.3f\n", static_cast<long long>(epoch.epoch + 1),
                                 epoch.validation.metrics.at("accuracy"));
                   }},
              stop);
  model.save(argv[2], *stepper);

  // A loop of one's own, with gradients by name: here one step of gradient descent.
  dlc::train::Gradients gradients = model.compile_gradients(options);
  std::map<std::string, dlc::Tensor> parameters = model.trained(options);
  loader.start(0);
  const training::Batch* batch = loader.next();
  const auto before = gradients.of(*batch, parameters);
  for (auto& [name, parameter] : parameters) {
    dlc::Tensor next(parameter.dtype(), parameter.shape());
    for (int64_t i = 0; i < next.size(); ++i) {
      next.set_double(i, parameter.get_double(i) - 0.01 * before.of.at(name).get_double(i));
    }
    parameter = next;
  }
  std::printf("loss %.4f, after a step %.4f\n", before.loss, gradients.of(*batch, parameters).loss);
} catch (const dlc::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
