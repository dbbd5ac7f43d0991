#include "tools/compare.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "frontend/read_model.h"
#include "ir/op.h"
#include "runtime/error.h"

namespace dlc::tools {
namespace {

bool is_comparable(const ir::Value& value) {
  if (!value.type().is_tensor()) return false;
  const DType type = value.type().tensor.dtype;
  return is_float(type) || is_integer(type) || type == DType::kBool;
}

// Makes every value of the main graph an output; returns what produces each output.
std::vector<std::string> expose_values(ir::Graph& graph) {
  std::vector<ir::Value*> values;
  std::vector<std::string> names;
  std::vector<std::string> nodes;
  std::set<std::string> taken(graph.output_names().begin(), graph.output_names().end());
  for (const auto& node : graph.nodes()) {
    for (ir::Value* value : node->outputs()) {
      if (value == nullptr || !is_comparable(*value) || graph.is_output(value)) continue;
      values.push_back(value);
      std::string name = value->name();
      while (!taken.insert(name).second) name += "'";
      names.push_back(name);
      nodes.push_back(node->describe());
    }
  }
  for (size_t i = 0; i < graph.outputs().size(); ++i) {
    ir::Value* value = graph.outputs()[i];
    values.push_back(value);
    names.push_back(graph.output_names()[i]);
    nodes.push_back(value->producer() != nullptr ? value->producer()->describe() : "no node");
  }
  graph.set_outputs(std::move(values), std::move(names));
  return nodes;
}

struct Results {
  std::vector<std::string> names;
  std::vector<std::string> nodes;
  std::vector<Value> values;
};

std::unique_ptr<ir::Graph> read(const std::string& path, const InputFlags& inputs) {
  return frontend::read_model(path, {.input_shapes = parse_shapes(inputs.shapes)});
}

Results run(ir::Graph& graph, const std::vector<Value>& inputs, const codegen::CompileOptions& options,
            int threads, bool exposed) {
  Results results;
  if (exposed) results.nodes = expose_values(graph);
  const runtime::Program program = codegen::compile(graph, options);
  runtime::Context context(program, {.threads = threads});
  results.values = context.run_values(inputs);
  for (const runtime::ValueInfo& info : program.outputs()) results.names.push_back(info.name);
  return results;
}

bool is_number(const Value& value) { return value.is_tensor() && value.tensor().dtype() != DType::kString; }

// What is no tensor of numbers is equal or not.
ComparedValue compare_value(const std::string& name, const std::string& node, const Value& found,
                            const Value& expected, double tolerance) {
  ComparedValue value{name, node, {}, ""};
  if (!is_number(found) || !is_number(expected)) {
    value.mismatch = first_difference(found, expected, {tolerance, tolerance}).value_or("");
  } else if (found.tensor().dtype() != expected.tensor().dtype() ||
             found.tensor().shape() != expected.tensor().shape()) {
    value.mismatch = fmt::format("is {}, expected {}", describe(found), describe(expected));
  } else {
    value.difference = measure_difference(found.tensor(), expected.tensor());
  }
  return value;
}

}  // namespace

Comparison compare_model(const std::string& path, const InputFlags& inputs,
                         const codegen::CompileOptions& options, int threads, double tolerance) {
  Comparison comparison;
  comparison.tolerance = tolerance;
  codegen::CompileOptions reference = options;
  reference.passes.reference = true;

  // The program as it is used, where fusion has all its freedom, tells the names and types of the inputs.
  const std::unique_ptr<ir::Graph> plain = read(path, inputs);
  const runtime::Program program = codegen::compile(*plain, options);
  InputSet set = make_inputs(program.inputs(), inputs);
  comparison.notes = std::move(set.notes);
  runtime::Context context(program, {.threads = threads});
  const std::vector<Value> outputs = context.run_values(set.values);

  const Results expected = run(*read(path, inputs), set.values, reference, threads, true);
  const Results found = run(*read(path, inputs), set.values, options, threads, true);
  check(found.names == expected.names, "both compilations expose the same values");
  for (size_t i = 0; i < found.values.size(); ++i) {
    comparison.values.push_back(
        compare_value(found.names[i], expected.nodes[i], found.values[i], expected.values[i], tolerance));
  }
  const size_t first_output = expected.values.size() - outputs.size();
  for (size_t i = 0; i < outputs.size(); ++i) {
    comparison.values.push_back(compare_value(program.outputs()[i].name + " (whole program)",
                                              expected.nodes[first_output + i], outputs[i],
                                              expected.values[first_output + i], tolerance));
  }
  return comparison;
}

bool agrees(const ComparedValue& value, double tolerance) {
  return value.mismatch.empty() && value.difference.relative <= tolerance;
}

std::string format_comparison(const Comparison& comparison, bool all) {
  std::string text;
  size_t divergent = 0;
  double worst = 0;
  for (const ComparedValue& value : comparison.values) {
    const bool good = agrees(value, comparison.tolerance);
    worst = std::max(worst, value.difference.relative);
    if (!good && divergent++ == 0) text += fmt::format("first divergent node: {}\n", value.node);
    if (good && !all) continue;
    text += value.mismatch.empty()
                ? fmt::format("{} {:<40} relative {:.3e}  absolute {:.3e}  {:.3g} ULP\n",
                              good ? "ok  " : "DIFF", value.name, value.difference.relative,
                              value.difference.absolute, value.difference.ulps)
                : fmt::format("DIFF {:<40} {}\n", value.name, value.mismatch);
  }
  return text + fmt::format("{} values compared, {} beyond {:.1e}; largest relative difference {:.3e}\n",
                            comparison.values.size(), divergent, comparison.tolerance, worst);
}

}  // namespace dlc::tools
