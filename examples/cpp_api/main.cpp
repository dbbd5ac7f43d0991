// Reads a model, compiles it and classifies a picture with it.
#include <algorithm>
#include <cstdio>

#include <dlc/dlc.h>

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s MODEL.onnx PICTURE\n", argv[0]);
    return 2;
  }
  const std::unique_ptr<dlc::ir::Graph> graph = dlc::frontend::read_model(argv[1]);
  const dlc::runtime::Program program = dlc::codegen::compile(*graph, {});
  dlc::runtime::Context context(program);

  const dlc::data::Image picture = dlc::data::read_image(argv[2]);
  const dlc::Tensor input =
      dlc::data::image_tensor(picture, {.height = 8, .width = 8, .color = dlc::data::Color::kGray});
  const std::vector<dlc::Tensor> outputs = context.run({input});

  const float* scores = outputs[0].as<float>();
  const auto best = std::max_element(scores, scores + outputs[0].size());
  std::printf("class %td, probability %.4f\n", best - scores, *best);
} catch (const dlc::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
