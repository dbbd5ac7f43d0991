#include <algorithm>

#include "tests/fuzz/mutate.h"

namespace dlc::test {
namespace {

// Bytes that mean something in protobuf: ends of varints, tags, lengths.
constexpr unsigned char kTelling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, 0x08, 0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x3a};

void change_once(std::string& bytes, const std::string& other, Random& random) {
  if (bytes.empty()) {
    bytes = other;
    return;
  }
  const size_t at = below(random, bytes.size());
  const size_t longest = std::min<size_t>(bytes.size() - at, 1 + below(random, 64));
  switch (below(random, 8)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(random, 8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(kTelling[below(random, std::size(kTelling))]);
      break;
    case 2:
      bytes.erase(at, longest);
      break;
    case 3:
      bytes.insert(at, bytes.substr(below(random, bytes.size()), longest));
      break;
    case 4:
      bytes.resize(at);
      break;
    case 5:  // the largest numbers
      bytes.replace(at, std::min<size_t>(longest, 10), std::string(9, '\xff') + '\x01');
      break;
    case 6:
      bytes[at] = static_cast<char>(bytes[at] + (below(random, 2) == 0 ? 1 : -1));
      break;
    default:
      if (other.empty()) return;
      bytes.replace(at, longest, other.substr(below(random, other.size()), longest));
  }
}

}  // namespace

std::string mutate_bytes(std::string bytes, const std::string& other, Random& random) {
  const size_t changes = 1 + below(random, 4);
  for (size_t i = 0; i < changes; ++i) change_once(bytes, other, random);
  return bytes;
}

std::string byte_mutant(const std::vector<SeedModel>& corpus, Random& random) {
  return mutate_bytes(pick_from(corpus, random).bytes, pick_from(corpus, random).bytes, random);
}

}  // namespace dlc::test
