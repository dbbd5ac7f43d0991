#include "tools/inputs.h"

#include <algorithm>
#include <map>
#include <random>

#include <fmt/format.h>

#include "frontend/near_names.h"
#include "frontend/read_model.h"
#include "runtime/data/npy.h"
#include "runtime/data/npz.h"
#include "runtime/error.h"

namespace dlc::tools {
namespace {

using runtime::ValueInfo;

struct Assignment {
  std::string name;  // "": not said
  std::string file;
};

std::vector<std::string> names_of(const std::vector<ValueInfo>& inputs) {
  std::vector<std::string> names;
  for (const ValueInfo& input : inputs) names.push_back(input.name);
  return names;
}

// Names of inputs may hold '=', so the longest name that fits counts.
Assignment parse_assignment(const std::string& flag, const std::vector<std::string>& names) {
  std::string best;
  for (const std::string& name : names) {
    if (flag.starts_with(name + "=") && name.size() > best.size()) best = name;
  }
  if (!best.empty()) return {best, flag.substr(best.size() + 1)};
  const size_t split = flag.find('=');
  if (split == std::string::npos) return {"", flag};
  const std::string name = flag.substr(0, split);
  fail(ErrorKind::kUsage, "--input: the model has no input '{}'; its inputs are {}{}", name,
       fmt::join(names, ", "), frontend::did_you_mean(name, names));
}

int64_t extent(const ValueInfo& input, size_t axis) {
  return axis < input.dims.size() ? input.dims[axis] : -1;
}

data::Layout choose_layout(const ValueInfo& input, const std::string& flag) {
  if (flag == "nhwc") return data::Layout::kNhwc;
  if (flag == "nchw") return data::Layout::kNchw;
  const auto is_channels = [](int64_t n) { return n == 1 || n == 3; };
  return !is_channels(extent(input, 1)) && is_channels(extent(input, 3)) ? data::Layout::kNhwc
                                                                         : data::Layout::kNchw;
}

data::Color choose_color(const std::string& flag, int64_t channels) {
  if (flag == "gray") return data::Color::kGray;
  if (flag == "bgr") return data::Color::kBgr;
  if (flag == "rgb") return data::Color::kRgb;
  return channels == 1 ? data::Color::kGray : data::Color::kRgb;
}

data::ImageOptions image_options(const ValueInfo& input, const InputFlags& flags) {
  if (input.dims.size() != 4) {
    fail(ErrorKind::kUsage, "input '{}' is {}, which takes no picture; expected 4 dims", input.name,
         describe(input));
  }
  data::ImageOptions options;
  options.layout = choose_layout(input, flags.layout);
  const bool channels_first = options.layout == data::Layout::kNchw;
  options.color = choose_color(flags.color, extent(input, channels_first ? 1 : 3));
  options.height = std::max<int64_t>(0, extent(input, channels_first ? 2 : 1));
  options.width = std::max<int64_t>(0, extent(input, channels_first ? 3 : 2));
  if (!flags.image_size.empty()) {
    const std::vector<int64_t> size = parse_shape(flags.image_size);
    if (size.size() > 2 || *std::min_element(size.begin(), size.end()) < 1) {
      fail(ErrorKind::kUsage, "--image-size is '{}'; expected WIDTHxHEIGHT or one number", flags.image_size);
    }
    options.width = size.front();
    options.height = size.back();
  }
  options.mean = flags.mean;
  options.std = flags.std;
  options.dtype = input.dtype;
  options.range = flags.range.value_or(is_float(input.dtype) ? 1 : 255);
  return options;
}

Tensor from_npz(const std::string& file, const std::string& name) {
  std::map<std::string, Tensor> arrays = data::read_npz(file);
  if (const auto found = arrays.find(name); found != arrays.end()) return found->second;
  if (arrays.size() == 1) return arrays.begin()->second;
  std::vector<std::string> names;
  for (const auto& [key, array] : arrays) names.push_back(key);
  fail(ErrorKind::kData, "{}: holds {}, but no array '{}'", file, fmt::join(names, ", "), name);
}

Tensor from_file(const std::string& file, const ValueInfo& input, const InputFlags& flags) {
  if (data::is_image_file(file))
    return data::image_tensor(data::read_image(file), image_options(input, flags));
  if (file.ends_with(".npy")) return data::read_npy(file);
  if (file.ends_with(".npz")) return from_npz(file, input.name);
  if (file.ends_with(".pb")) return frontend::read_value_proto(file, ValueKind::kTensor).tensor();
  fail(ErrorKind::kUsage,
       "--input: '{}' has an unknown kind of name; expected .npy, .npz, .pb, .png, .jpg or .jpeg", file);
}

// The shape of a random input; dims of one name are equal.
std::vector<int64_t> random_shape(const ValueInfo& input, const Shapes& shapes,
                                  const std::map<std::string, int64_t>& symbols) {
  std::vector<int64_t> shape = input.dims;
  const auto wanted = shapes.find(input.name);
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] >= 0) continue;
    if (wanted != shapes.end() && i < wanted->second.size() && wanted->second[i] >= 0) {
      shape[i] = wanted->second[i];
    } else {
      const auto symbol = symbols.find(input.dim_texts[i]);
      shape[i] = symbol != symbols.end() ? symbol->second : 1;
    }
  }
  return shape;
}

// A shape that --shape asks for and the model cannot take.
void check_shape(const ValueInfo& input, const std::vector<int64_t>& shape) {
  if (shape.size() != input.dims.size()) {
    fail(ErrorKind::kUsage, "--shape gives {} dims for input '{}', which is {}", shape.size(), input.name,
         describe(input));
  }
  for (size_t i = 0; i < shape.size(); ++i) {
    if (input.dims[i] >= 0 && shape[i] >= 0 && shape[i] != input.dims[i]) {
      fail(ErrorKind::kUsage, "--shape gives {} for dim {} of input '{}', which the model fixes to {}",
           shape[i], i, input.name, input.dims[i]);
    }
  }
}

// What tensors and --shape say of the names of dims.
void bind_symbols(const ValueInfo& input, const std::vector<int64_t>& shape,
                  std::map<std::string, int64_t>& symbols) {
  for (size_t i = 0; i < shape.size() && i < input.dims.size(); ++i) {
    if (input.dims[i] < 0 && shape[i] >= 0) symbols.emplace(input.dim_texts[i], shape[i]);
  }
}

Shapes named_shapes(const InputFlags& flags, const std::vector<std::string>& names) {
  Shapes shapes = parse_shapes(flags.shapes);
  if (const auto lone = shapes.extract(""); !lone.empty() && !names.empty()) {
    shapes.emplace(names.front(), lone.mapped());
  }
  for (const auto& [name, shape] : shapes) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      fail(ErrorKind::kUsage, "--shape: the model has no input '{}'; its inputs are {}", name,
           fmt::join(names, ", "));
    }
  }
  return shapes;
}

// Files by input name.
std::map<std::string, std::string> assign_files(const InputFlags& flags,
                                                const std::vector<std::string>& names) {
  std::map<std::string, std::string> files;
  for (const std::string& flag : flags.inputs) {
    const Assignment assignment = parse_assignment(flag, names);
    if (assignment.name.empty() && assignment.file.ends_with(".npz") && names.size() > 1) {
      for (const auto& [array, tensor] : data::read_npz(assignment.file)) {
        if (std::find(names.begin(), names.end(), array) != names.end()) files[array] = assignment.file;
      }
      continue;
    }
    if (assignment.name.empty() && names.size() != 1) {
      fail(ErrorKind::kUsage, "--input: '{}' needs the name of an input, as in NAME=FILE; the inputs are {}",
           assignment.file, fmt::join(names, ", "));
    }
    const std::string name = assignment.name.empty() ? names.front() : assignment.name;
    if (!files.emplace(name, assignment.file).second) {
      fail(ErrorKind::kUsage, "--input is given twice for '{}'", name);
    }
  }
  return files;
}

}  // namespace

void add_input_flags(CLI::App& app, InputFlags& flags) {
  const std::string group = "Inputs";
  const auto add = [&](const char* name, auto& value, const char* type, const char* help) {
    return app.add_option(name, value, help)->type_name(type)->allow_extra_args(false)->group(group);
  };
  add("-i,--input", flags.inputs, "NAME=FILE",
      ".npy, .npz, .pb (TensorProto, or SequenceProto and so on as the input is), .png or .jpg; a lone input "
      "needs no name, nor does an .npz with arrays "
      "of "
      "the inputs' names. Inputs without file are random");
  add("--shape", flags.shapes, "SHAPE", "NAME=1x3x224x224: fixes symbolic dims ('?' leaves one open)");
  add("--seed", flags.seed, "NUMBER", "Of random inputs; default: 0");
  add("--image-size", flags.image_size, "WIDTHxHEIGHT",
      "That pictures are resized to; default: what the input takes");
  add("--range", flags.range, "NUMBER",
      "What the brightest byte of a picture becomes, before --mean and --std; default: 1 for floating-point "
      "inputs, else 255");
  add("--mean", flags.mean, "NUMBER,...", "Subtracted from pictures: one number, or one a channel")
      ->delimiter(',');
  add("--std", flags.std, "NUMBER,...", "Pictures are divided by it: one number, or one a channel")
      ->delimiter(',');
  add("--layout", flags.layout, "LAYOUT", "Of pictures, nchw or nhwc; default: from the input's shape")
      ->check(CLI::IsMember({"nchw", "nhwc"}));
  add("--color", flags.color, "COLOR", "Of pictures, rgb, bgr or gray; default: from the number of channels")
      ->check(CLI::IsMember({"rgb", "bgr", "gray"}));
}

std::string describe(const ValueInfo& value) {
  switch (value.kind) {
    case ValueKind::kTensor:
      break;
    case ValueKind::kSequence:
      return fmt::format("sequence of {}", describe(*value.element));
    case ValueKind::kOptional:
      return fmt::format("optional {}", describe(*value.element));
    case ValueKind::kMap:
      return fmt::format("map of {} to {}", onnx_name(value.dtype), onnx_name(value.element->dtype));
  }
  if (!value.has_rank) return fmt::format("{}[...]", onnx_name(value.dtype));
  return fmt::format("{}[{}]", onnx_name(value.dtype), fmt::join(value.dim_texts, ", "));
}

Tensor random_tensor(DType type, const std::vector<int64_t>& shape, const std::string& name, uint64_t seed) {
  if (type == DType::kString) {
    const Tensor count(DType::kUint8, shape);
    return Tensor::from_strings(shape, std::vector<std::string>(static_cast<size_t>(count.size()), "text"));
  }
  Tensor tensor(type, shape);
  std::seed_seq seeds(name.begin(), name.end());
  std::vector<uint32_t> mixed(2);
  seeds.generate(mixed.begin(), mixed.end());
  std::mt19937_64 random(seed ^ (uint64_t{mixed[0]} << 32 | mixed[1]));
  std::normal_distribution<double> normal;
  // Integers are mostly indices: into a table of two rows at least.
  std::uniform_int_distribution<int64_t> small(0, 1);
  const bool is_mask = name.find("mask") != std::string::npos;
  for (int64_t i = 0; i < tensor.size(); ++i) {
    if (is_float(type)) {
      tensor.set_double(i, normal(random));
    } else if (is_integer(type) || type == DType::kBool) {
      tensor.set_int(i, is_mask ? 1 : small(random));
    }
  }
  return tensor;
}

namespace {

Value random_value(const ValueInfo& input, const std::vector<int64_t>& shape, const std::string& name,
                   uint64_t seed) {
  constexpr int64_t kElements = 2;
  if (input.is_tensor()) return random_tensor(input.dtype, shape, name, seed);
  std::vector<int64_t> held = input.element->dims;
  for (int64_t& extent : held) extent = extent < 0 ? 1 : extent;
  if (input.kind == ValueKind::kMap) {
    Tensor keys = input.dtype == DType::kString ? Tensor::from_strings({kElements}, {"a", "b"})
                                                : Tensor(input.dtype, {kElements});
    if (input.dtype != DType::kString) keys.set_int(1, 1);
    return Value::map(std::move(keys), random_tensor(input.element->dtype, {kElements}, name, seed));
  }
  if (input.kind == ValueKind::kOptional)
    return Value::optional(random_value(*input.element, held, name, seed));
  std::vector<Value> elements;
  for (int64_t i = 0; i < kElements; ++i)
    elements.push_back(random_value(*input.element, held, name, seed + static_cast<uint64_t>(i)));
  return Value::sequence(std::move(elements));
}

Value value_from_file(const std::string& file, const ValueInfo& input, const InputFlags& flags) {
  if (input.is_tensor()) return from_file(file, input, flags);
  if (!file.ends_with(".pb")) {
    fail(ErrorKind::kUsage, "--input: '{}' for '{}', which is {}; expected a .pb file", file, input.name,
         describe(input));
  }
  return frontend::read_value_proto(file, input.kind);
}

}  // namespace

InputSet make_inputs(const std::vector<ValueInfo>& inputs, const InputFlags& flags) {
  const std::vector<std::string> names = names_of(inputs);
  const Shapes shapes = named_shapes(flags, names);
  const std::map<std::string, std::string> files = assign_files(flags, names);
  InputSet result;
  result.values.resize(inputs.size());
  std::vector<bool> given(inputs.size());
  std::map<std::string, int64_t> symbols;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (const auto shape = shapes.find(names[i]); shape != shapes.end()) {
      check_shape(inputs[i], shape->second);
      bind_symbols(inputs[i], shape->second, symbols);
    }
    if (const auto file = files.find(names[i]); file != files.end()) {
      result.values[i] = value_from_file(file->second, inputs[i], flags);
      given[i] = true;
      if (inputs[i].is_tensor()) bind_symbols(inputs[i], result.values[i].tensor().shape(), symbols);
    }
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (given[i]) continue;
    const std::vector<int64_t> shape = random_shape(inputs[i], shapes, symbols);
    result.values[i] = random_value(inputs[i], shape, names[i], flags.seed);
    result.notes.push_back(fmt::format("'{}' is random: {}", names[i], dlc::describe(result.values[i])));
  }
  return result;
}

}  // namespace dlc::tools
