#include "frontend/contrib_signatures.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/error.h"

namespace dlc::frontend {
namespace {

using onnx::AttributeProto;
using onnx::OpSchema;

// ---- The signatures ---------------------------------------------------------------------------------------

constexpr const char* kProduct =
    "alpha: float = 1, transA: int = 0, transB: int = 0, transBatchA: int = 0, transBatchB: int = 0";

constexpr const char* kQLinear = "T: byte, F: float32";
constexpr const char* kQLinearUnary = "T X, F X_scale, T? X_zero_point, F Y_scale, T? Y_zero_point";
constexpr const char* kQLinearBinary =
    "T A, F A_scale, T? A_zero_point, T B, F B_scale, T? B_zero_point, F C_scale, T? C_zero_point";

constexpr Signature kSignatures[] = {
    {"BiasAdd", "T X, T bias, T skip", "T Y"},
    {"BiasGelu", "T A, T B", "T C"},
    {"BiasSplitGelu", "T X, T bias", "T Y"},
    {"FastGelu", "T X, T? bias", "T Y"},
    {"Gelu", "T X", "T Y"},
    {"QuickGelu", "T X", "T Y", "alpha: float = 1.702"},

    {"FusedMatMul", "T A, T B", "T Y", kProduct},
    {"TransposeMatMul", "T A, T B", "T Y", "alpha: float = 1, transA: int = 0, transB: int = 0"},
    {"FusedGemm", "T A, T B, T? C", "T Y",
     "alpha: float = 1, beta: float = 1, transA: int = 0, transB: int = 0, activation: string, "
     "activation_alpha: float, activation_beta: float, activation_gamma: float"},
    {"FusedConv", "T X, T W, T? B, T? Z", "T Y",
     "activation: string, activation_params: floats, auto_pad: string = NOTSET, dilations: ints, "
     "group: int = 1, kernel_shape: ints, pads: ints, strides: ints"},

    {"SkipLayerNormalization", "T input, T skip, T gamma, T? beta, T? bias",
     "T output, U? mean, U? inv_std_var, T? input_skip_bias_sum", "epsilon: float = 1e-12",
     "T: float, U: float"},
    {"SkipSimplifiedLayerNormalization", "T input, T skip, T gamma, T? bias",
     "T output, U? mean, U? inv_std_var, T? input_skip_bias_sum", "epsilon: float = 1e-12",
     "T: float, U: float"},
    {"SimplifiedLayerNormalization", "T X, V scale", "V Y, U? inv_std_var",
     "axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1", "T: float, U: float, V: float", ""},
    {"LayerNormalization", "T X, V Scale, V? B", "V Y, U? Mean, U? InvStdDev",
     "axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1", "T: float, U: float, V: float", ""},
    {"EmbedLayerNormalization",
     "I input_ids, I? segment_ids, T word_embedding, T position_embedding, T? segment_embedding, T gamma, "
     "T beta, I? mask, I? position_ids",
     "T output, I? mask_index, T? embedding_sum", "epsilon: float = 1e-12, mask_index_type: int",
     "T: float, I: int32"},
    {"QEmbedLayerNormalization",
     "I input_ids, I? segment_ids, T word_embedding, T position_embedding, T? segment_embedding, T gamma, "
     "T beta, I? mask, F word_embedding_scale, F position_embedding_scale, F? segment_embedding_scale, "
     "F gamma_scale, F beta_scale, T word_embedding_zero_point, T position_embedding_zero_point, "
     "T? segment_embedding_zero_point, T gamma_zero_point, T beta_zero_point",
     "F output, I mask_index", "epsilon: float = 1e-12", "T: byte, F: float32, I: int32"},

    {"Attention",
     "T input, T weights, T? bias, M? mask_index, T? past, T? attention_bias, M? past_sequence_length",
     "T output, T? present",
     "num_heads: int!, unidirectional: int = 0, qkv_hidden_sizes: ints, scale: float, "
     "mask_filter_value: float, do_rotary: int, rotary_embedding_dim: int, past_present_share_buffer: int",
     "T: float, M: int32"},
    {"MultiHeadAttention",
     "T query, T? key, T? value, T? bias, M? key_padding_mask, T? attention_bias, T? past_key, "
     "T? past_value, M? past_sequence_length, M? cache_indirection",
     "T output, T? present_key, T? present_value, T? qk",
     "num_heads: int!, unidirectional: int = 0, scale: float, mask_filter_value: float",
     "T: float, M: int32"},
    {"GroupQueryAttention",
     "T query, T? key, T? value, T? past_key, T? past_value, M seqlens_k, M total_sequence_length, "
     "T? cos_cache, T? sin_cache, P? position_ids, T? attention_bias, T? head_sink, S? k_scale, S? v_scale, "
     "T? q_norm_weight, T? k_norm_weight, M? query_seqlens",
     "T output, T? present_key, T? present_value, T? output_qk",
     "num_heads: int!, kv_num_heads: int!, scale: float, softcap: float, do_rotary: int, "
     "rotary_interleaved: int, local_window_size: int = -1, smooth_softmax: int = -1, causal: int = 1, "
     "qk_output: int = 0, qk_norm_epsilon: float = 1e-6, q_norm_epsilon: float, k_norm_epsilon: float, "
     "sliding_window_cache: int = 0, kv_cache_bit_width: int, k_quant_type: string = NONE, "
     "v_quant_type: string = NONE",
     "T: float, M: int32, P: int64, S: float"},
    {"RotaryEmbedding", "T input, P position_ids, T cos_cache, T sin_cache", "T output",
     "interleaved: int, num_heads: int, rotary_embedding_dim: int, is_packed_batching: int, scale: float",
     "T: float, P: int64"},

    {"MatMulNBits", "T A, B B, T scales, Z? zero_points, G? g_idx, T? bias", "T Y",
     "K: int!, N: int!, bits: int = 4, block_size: int!, accuracy_level: int = 0, weight_prepacked: int = 0",
     "T: float, B: uint8, Z: point, G: int32"},
    {"MatMulIntegerToFloat", "A A, B B, T a_scale, T b_scale, A? a_zero_point, B? b_zero_point, T? bias",
     "T Y", "", "A: byte, B: byte, T: float"},
    {"DynamicQuantizeMatMul", "T A, B B, T b_scale, B? b_zero_point, T? bias", "T Y", "",
     "T: float32, B: byte"},
    {"QGemm",
     "A A, T a_scale, A a_zero_point, B B, T b_scale, B b_zero_point, C? C, T? y_scale, Z? y_zero_point",
     "Y Y", "transA: int = 0, transB: int = 0, alpha: float = 1",
     "A: byte, B: byte, C: int32, T: float32, Z: byte, Y: byte or float"},
    {"MatMulInteger16", "A A, B B", "Y Y", "", "A: short, B: short, Y: long"},
    {"QAttention",
     "X input, W weight, T bias, T input_scale, T weight_scale, M? mask_index, X? input_zero_point, "
     "W? weight_zero_point, T? past",
     "T output, T? present",
     "num_heads: int!, unidirectional: int = 0, scale: float, mask_filter_value: float, do_rotary: int, "
     "past_present_share_buffer: int",
     "X: byte, W: byte, T: float32, M: int32"},
    {"DynamicQuantizeLSTM",
     "T X, W W, W R, T? B, I? sequence_lens, T? initial_h, T? initial_c, T? P, T W_scale, W W_zero_point, "
     "T R_scale, W R_zero_point",
     "T? Y, T? Y_h, T? Y_c",
     "direction: string = forward, hidden_size: int, activation_alpha: floats, activation_beta: floats, "
     "activations: strings, clip: float, input_forget: int = 0",
     "T: float32, W: byte, I: int32"},
    {"QuantizeLinear", "X x, X y_scale, T? y_zero_point", "T y", "axis: int = 1", "X: float, T: quantized"},
    {"DequantizeLinear", "T x, Y x_scale, T? x_zero_point", "Y y", "axis: int = 1", "T: quantized, Y: float"},

    {"QLinearAdd", kQLinearBinary, "T C", "", kQLinear},
    {"QLinearMul", kQLinearBinary, "T C", "", kQLinear},
    {"QLinearSigmoid", kQLinearUnary, "T Y", "", kQLinear},
    {"QLinearLeakyRelu", kQLinearUnary, "T Y", "alpha: float = 0.01", kQLinear},
    {"QLinearSoftmax", kQLinearUnary, "T Y", "axis: int = -1, opset: int!", kQLinear},
    {"QLinearReduceMean", kQLinearUnary, "T Y", "axes: ints, keepdims: int = 1", kQLinear},
    {"QLinearGlobalAveragePool", kQLinearUnary, "T Y", "channels_last: int = 0", kQLinear},
    {"QLinearAveragePool", kQLinearUnary, "T Y",
     "auto_pad: string = NOTSET, ceil_mode: int = 0, channels_last: int = 0, count_include_pad: int = 0, "
     "kernel_shape: ints!, pads: ints, strides: ints",
     kQLinear},
    {"QLinearWhere",
     "B condition, T X, F x_scale, T? x_zero_point, T Y, F y_scale, T? y_zero_point, F z_scale, "
     "T? z_zero_point",
     "T Z", "", "T: byte, F: float32, B: bool"},
    {"QLinearConcat", "F Y_scale, T Y_zero_point, V* inputs", "T Y", "axis: int!",
     "F: float32, T: byte, V: byte or float"},
    {"QLinearConv",
     "X x, F x_scale, X x_zero_point, W w, F w_scale, W w_zero_point, F y_scale, Y y_zero_point, B? B", "Y y",
     "auto_pad: string = NOTSET, channels_last: int = 0, dilations: ints, group: int = 1, "
     "kernel_shape: ints, pads: ints, strides: ints",
     "X: byte, W: byte, Y: byte, F: float32, B: int32"},
    {"GatherBlockQuantized", "D data, I indices, T scales, D? zero_points", "T output",
     "bits: int = 4, block_size: int = 128, gather_axis: int = 0, quantize_axis: int = 1",
     "D: block, I: index, T: float"},
    {"CDist", "T A, T B", "T C", "metric: string = sqeuclidean"},
    {"ExpandDims", "T X, I axis", "T Y", "", "T: any, I: int32"},
    {"Inverse", "T X", "T Y"},
    {"NhwcMaxPool", "T x", "T y",
     "auto_pad: string = NOTSET, ceil_mode: int = 0, dilations: ints, kernel_shape: ints!, pads: ints, "
     "strides: ints",
     "T: byte"},
    {"Trilu", "T X, K? k", "T Y", "upper: int = 1", "T: any, K: int64"},
    {"Unique", "T x", "T y, I idx, I counts", "", "T: float, I: int64"},
    {"GridSample", "T X, T Grid", "T Y",
     "align_corners: int = 0, mode: string = bilinear, padding_mode: string = zeros"},
    {"Irfft", "T X", "T Y", "normalized: int = 0, onesided: int = 1, signal_ndim: int!"},
    {"Rfft", "T X", "T Y", "normalized: int = 0, onesided: int = 1, signal_ndim: int = 1"},
    {"MoE",
     "T input, T router_probs, T fc1_experts_weights, T? fc1_experts_bias, T fc2_experts_weights, "
     "T? fc2_experts_bias, T? fc3_experts_weights, T? fc3_experts_bias",
     "T output",
     "k: int = 1, activation_type: string = relu, activation_alpha: float = 1, activation_beta: float = 0, "
     "swiglu_fusion: int = 0, swiglu_limit: float, swiglu_limit_after_activation: int = 0, "
     "normalize_routing_weights: int = 0, use_sparse_mixer: int = 0"},
};

// ---- Their text -------------------------------------------------------------------------------------------

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    parts.push_back(trimmed(text.substr(0, end)));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return parts;
}

std::vector<std::string> type_set(std::string_view name) {
  if (name == "float") return {"tensor(float16)", "tensor(bfloat16)", "tensor(float)", "tensor(double)"};
  if (name == "any") return OpSchema::all_tensor_types();
  if (name == "byte") return {"tensor(int8)", "tensor(uint8)"};
  if (name == "byte or float") return {"tensor(int8)", "tensor(uint8)", "tensor(float)"};
  if (name == "short") return {"tensor(int16)", "tensor(uint16)"};
  if (name == "long") return {"tensor(int32)", "tensor(uint32)"};
  if (name == "quantized")
    return {"tensor(int8)",  "tensor(uint8)", "tensor(int16)", "tensor(uint16)",
            "tensor(int32)", "tensor(int4)",  "tensor(uint4)"};
  if (name == "float32") return {"tensor(float)"};
  if (name == "index") return {"tensor(int32)", "tensor(int64)"};
  if (name == "point") return {"tensor(uint8)", "tensor(float16)", "tensor(bfloat16)", "tensor(float)"};
  if (name == "block") return {"tensor(uint4)", "tensor(int4)", "tensor(uint8)"};
  return {"tensor(" + std::string(name) + ")"};
}

void declare_parameters(OpSchema& schema, std::string_view text, bool is_input) {
  int index = 0;
  for (std::string_view part : split(text, ',')) {
    const size_t space = part.find(' ');
    std::string type(part.substr(0, space)), name(part.substr(space + 1));
    const bool optional = type.back() == '?', variadic = type.back() == '*';
    if (optional || variadic) type.pop_back();
    const auto option = optional ? OpSchema::Optional : variadic ? OpSchema::Variadic : OpSchema::Single;
    if (is_input) {
      schema.Input(index++, std::move(name), "", std::move(type), option, !variadic);
    } else {
      schema.Output(index++, std::move(name), "", std::move(type), option);
    }
  }
}

void declare_attribute(OpSchema& schema, std::string_view text) {
  static const std::map<std::string_view, AttributeProto::AttributeType> types = {
      {"int", AttributeProto::INT},       {"float", AttributeProto::FLOAT},
      {"string", AttributeProto::STRING}, {"ints", AttributeProto::INTS},
      {"floats", AttributeProto::FLOATS}, {"strings", AttributeProto::STRINGS},
  };
  const size_t colon = text.find(':'), equals = text.find('=');
  std::string name(trimmed(text.substr(0, colon)));
  std::string_view type = trimmed(text.substr(colon + 1, equals - colon - 1));
  const bool required = type.ends_with('!');
  if (required) type.remove_suffix(1);
  if (equals == std::string_view::npos) {
    schema.Attr(std::move(name), "", types.at(type), required);
    return;
  }
  std::string value(trimmed(text.substr(equals + 1)));
  if (type == "int") {
    schema.Attr(std::move(name), "", AttributeProto::INT, int64_t{std::stoll(value)});
  } else if (type == "float") {
    schema.Attr(std::move(name), "", AttributeProto::FLOAT, std::stof(value));
  } else {
    schema.Attr(std::move(name), "", AttributeProto::STRING, std::move(value));
  }
}

}  // namespace

std::span<const Signature> contrib_signatures() { return kSignatures; }

OpSchema schema_of(const Signature& signature) {
  OpSchema schema(signature.name, __FILE__, __LINE__);
  declare_parameters(schema, signature.inputs, true);
  declare_parameters(schema, signature.outputs, false);
  for (std::string_view attribute : split(signature.attributes, ',')) declare_attribute(schema, attribute);
  for (std::string_view type : split(signature.types, ',')) {
    const std::vector<std::string_view> parts = split(type, ':');
    check(parts.size() == 2, "a type constraint has a name and a set");
    schema.TypeConstraint(std::string(parts[0]), type_set(parts[1]), "");
  }
  schema.SetDomain(signature.domain).SinceVersion(1);
  return schema;
}

}  // namespace dlc::frontend
