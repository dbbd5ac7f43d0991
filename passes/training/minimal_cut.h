// The minimal cut of a network.
#pragma once

#include <cstdint>
#include <vector>

namespace dlc::passes {

class Network {
 public:
  static constexpr int64_t kUnlimited = INT64_MAX / 4;

  explicit Network(size_t nodes) : edges_of_(nodes) {}
  void add_edge(size_t from, size_t to, int64_t capacity);

  // Which nodes lie on the source's side of a minimal cut, of all of them that nearest to the sink. Requires
  // that one of less than kUnlimited exists. To be called once.
  std::vector<bool> source_side(size_t source, size_t sink);

 private:
  struct Edge {
    size_t to;
    int64_t capacity;  // that is left
  };
  bool measure_levels(size_t source, size_t sink);
  int64_t push(size_t source, size_t sink);

  std::vector<Edge> edges_;  // an edge and its reverse follow one another
  std::vector<std::vector<size_t>> edges_of_;
  std::vector<int64_t> level_;  // distance from the source; -1: out of reach
  std::vector<size_t> next_;    // of the edges of a node: the first that may still carry something
};

}  // namespace dlc::passes
