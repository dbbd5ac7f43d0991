// Symbols of Dims and what replaces them: substitution, evaluation, hashing; and shapes.
#include <algorithm>

#include "ir/dim.h"
#include "runtime/error.h"

namespace dlc::ir {
namespace {

Dim apply(DimFunction function, const Dim& a, const Dim& b) {
  switch (function) {
    case DimFunction::kSymbol:
      break;
    case DimFunction::kFloorDiv:
      return floor_div(a, b);
    case DimFunction::kMin:
      return min(a, b);
    case DimFunction::kMax:
      return max(a, b);
    case DimFunction::kBroadcast:
      return broadcast(a, b);
  }
  fail(ErrorKind::kInternal, "a function of extents that is none");
}

Dim substitute_atom(const Dim::AtomRef& atom, const std::map<std::string, Dim>& bindings) {
  if (atom->function != DimFunction::kSymbol) {
    return apply(atom->function, atom->args[0].substitute(bindings), atom->args[1].substitute(bindings));
  }
  auto it = bindings.find(atom->symbol);
  return it == bindings.end() ? Dim::symbol(atom->symbol) : it->second;
}

int64_t floor_quotient(int64_t a, int64_t b) {
  if (b == 0 || (b == -1 && a == INT64_MIN)) fail(ErrorKind::kData, "an extent divides by zero");
  return a / b - (a % b != 0 && ((a < 0) != (b < 0)) ? 1 : 0);
}

int64_t evaluate_atom(const Dim::Atom& atom, const std::function<int64_t(const std::string&)>& value_of) {
  if (atom.function == DimFunction::kSymbol) return value_of(atom.symbol);
  int64_t a = atom.args[0].evaluate(value_of);
  int64_t b = atom.args[1].evaluate(value_of);
  switch (atom.function) {
    case DimFunction::kSymbol:
      break;
    case DimFunction::kFloorDiv:
      return floor_quotient(a, b);
    case DimFunction::kMin:
      return std::min(a, b);
    case DimFunction::kMax:
      return std::max(a, b);
    case DimFunction::kBroadcast:
      if (a != b && a != 1 && b != 1) {
        fail(ErrorKind::kData, "extents {} = {} and {} = {} do not broadcast", atom.args[0].to_string(), a,
             atom.args[1].to_string(), b);
      }
      return a == 1 ? b : a;
  }
  fail(ErrorKind::kInternal, "a function of extents that is none");
}

void mix(size_t& seed, size_t value) { seed ^= value + 0x9e3779b97f4a7c15 + (seed << 6) + (seed >> 2); }

}  // namespace

void Dim::collect_symbols(std::set<std::string>& out) const {
  for (const Term& term : terms_) {
    for (const AtomRef& atom : term.atoms) {
      if (atom->function == DimFunction::kSymbol) out.insert(atom->symbol);
      for (const Dim& arg : atom->args) arg.collect_symbols(out);
    }
  }
}

bool Dim::uses_symbol(std::string_view name) const {
  for (const Term& term : terms_) {
    for (const AtomRef& atom : term.atoms) {
      if (atom->function == DimFunction::kSymbol && atom->symbol == name) return true;
      for (const Dim& arg : atom->args) {
        if (arg.uses_symbol(name)) return true;
      }
    }
  }
  return false;
}

Dim Dim::substitute(const std::map<std::string, Dim>& bindings) const {
  Dim result = constant_;
  for (const Term& term : terms_) {
    Dim product = term.coefficient;
    for (const AtomRef& atom : term.atoms) product *= substitute_atom(atom, bindings);
    result += product;
  }
  return result;
}

int64_t Dim::evaluate(const std::function<int64_t(const std::string&)>& value_of) const {
  int64_t result = constant_;
  for (const Term& term : terms_) {
    int64_t product = term.coefficient;
    bool overflow = false;
    for (const AtomRef& atom : term.atoms) {
      overflow |= __builtin_mul_overflow(product, evaluate_atom(*atom, value_of), &product);
    }
    overflow |= __builtin_add_overflow(result, product, &result);
    if (overflow) fail(ErrorKind::kData, "extent {} overflows 64 bits", to_string());
  }
  return result;
}

size_t Dim::hash() const {
  size_t seed = std::hash<int64_t>()(constant_);
  for (const Term& term : terms_) {
    mix(seed, std::hash<int64_t>()(term.coefficient));
    for (const AtomRef& atom : term.atoms) {
      mix(seed, static_cast<size_t>(atom->function));
      mix(seed, std::hash<std::string>()(atom->symbol));
      for (const Dim& arg : atom->args) mix(seed, arg.hash());
    }
  }
  return seed;
}

Dim product(const Shape& shape) {
  Dim result = 1;
  for (const Dim& dim : shape) result *= dim;
  return result;
}

bool is_static(const Shape& shape) {
  return std::all_of(shape.begin(), shape.end(), [](const Dim& dim) { return dim.is_constant(); });
}

std::vector<int64_t> static_shape(const Shape& shape) {
  std::vector<int64_t> result;
  for (const Dim& dim : shape) result.push_back(dim.value());
  return result;
}

}  // namespace dlc::ir
