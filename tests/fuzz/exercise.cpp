#include "tests/fuzz/exercise.h"

#include <map>
#include <new>
#include <optional>

#include "codegen/compile.h"
#include "frontend/read_model.h"
#include "runtime/data/files.h"
#include "runtime/data/npy.h"
#include "runtime/data/npz.h"
#include "runtime/error.h"
#include "tests/support/guarded_run.h"
#include "tests/support/temporary_folder.h"

namespace dlc::test {
namespace {

// Runs of models whose inputs alone are larger are not tried.
constexpr int64_t kMostElements = 1 << 20;

template <class Work>
std::string fault_of(Work&& work) {
  try {
    work();
    return "";
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) return fmt::format("internal error: {}", error.what());
    return error.message().empty() ? "an error without a message" : "";
  } catch (const std::bad_alloc&) {
    return "std::bad_alloc instead of an Error";
  } catch (const std::exception& error) {
    return fmt::format("an exception other than Error: {}", error.what());
  }
}

int64_t random_extent(Random& random) {
  constexpr int64_t kExtents[] = {0, 1, 1, 2, 2, 3, 4, 5, 7, 8, 9, 16, 17};
  return pick_from(kExtents, random);
}

// A value of the declared type, of extents that mostly fit; nothing where it is too large.
std::optional<Value> make_value(const runtime::ValueInfo& info, std::map<std::string, int64_t>& symbols,
                                Random& random) {
  if (info.kind == ValueKind::kMap) {
    const std::vector<int64_t> count = {random_extent(random)};
    return Value::map(random_values(info.dtype, count, random),
                      random_values(info.element->dtype, count, random));
  }
  if (!info.is_tensor()) {
    std::vector<Value> elements;
    for (uint64_t count = below(random, info.kind == ValueKind::kOptional ? 2 : 4); count > 0; --count) {
      std::optional<Value> element = make_value(*info.element, symbols, random);
      if (!element) return std::nullopt;
      elements.push_back(std::move(*element));
    }
    if (info.kind == ValueKind::kSequence) return Value::sequence(std::move(elements));
    return elements.empty() ? Value::optional() : Value::optional(std::move(elements[0]));
  }
  std::vector<int64_t> shape;
  int64_t size = 1;
  for (size_t i = 0; i < info.dims.size(); ++i) {
    int64_t extent = info.dims[i];
    if (extent < 0) extent = symbols.emplace(info.dim_texts[i], random_extent(random)).first->second;
    if (one_in(random, 100)) extent = random_extent(random);
    shape.push_back(extent);
    if (__builtin_mul_overflow(size, extent, &size) || size > kMostElements) return std::nullopt;
  }
  return random_values(info.dtype, shape, random);
}

// Inputs of the declared types; false where they are too large.
bool make_inputs(const runtime::Program& program, Random& random, std::vector<Value>& inputs) {
  std::map<std::string, int64_t> symbols;
  for (const runtime::ValueInfo& info : program.inputs()) {
    std::optional<Value> value = make_value(info, symbols, random);
    if (!value) return false;
    inputs.push_back(std::move(*value));
  }
  return true;
}

template <class Read>
std::string fault_of_file(const std::string& bytes, const std::string& name, Read&& read) {
  const TemporaryFolder folder;
  const std::string path = folder / name;
  data::write_file(path, bytes);
  return fault_of([&] { read(path); });
}

}  // namespace

std::string exercise_model(const std::string& bytes, Random& random, const Enter& enter) {
  return fault_of([&] {
    enter(Phase::kRead);
    const std::unique_ptr<ir::Graph> graph = frontend::parse_model(bytes);
    enter(Phase::kCompile);
    const runtime::Program program = codegen::compile(*graph, {});
    enter(Phase::kRun);
    for (const Guard guard : {Guard::kEnd, Guard::kBegin}) {
      std::vector<Value> inputs;
      if (make_inputs(program, random, inputs)) run_guarded(program, inputs, {}, guard);
    }
    enter(Phase::kDone);
  });
}

std::string exercise_tensor(const std::string& bytes, const std::string& extension) {
  return fault_of_file(bytes, "tensor" + extension, [&](const std::string& path) {
    if (extension == ".pb") {
      for (ValueKind kind :
           {ValueKind::kTensor, ValueKind::kSequence, ValueKind::kOptional, ValueKind::kMap}) {
        try {
          frontend::read_value_proto(path, kind);
        } catch (const Error& error) {
          if (error.kind() == ErrorKind::kInternal) throw;
        }
      }
    } else if (extension == ".npy") {
      data::read_npy(path);
    } else {
      data::read_npz(path);
    }
  });
}

}  // namespace dlc::test
