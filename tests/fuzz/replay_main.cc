// Runs a fuzz target without libFuzzer: on each file that is named on the command line, and on
// mutations of them that are the same in every run.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kMutations = 5000;
constexpr size_t kMaxSize = 4096;

using Random = std::mt19937_64;

size_t Below(Random& random, size_t limit) { return random() % limit; }

void Run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

// Changes one thing, as a fuzzer would.
void Mutate(Random& random, std::string& input) {
  static constexpr uint8_t kTelling[] = {0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff};
  if (input.empty()) input.push_back('\0');
  const size_t at = Below(random, input.size());
  const size_t length = 1 + Below(random, std::min<size_t>(input.size() - at, 32));
  switch (Below(random, 7)) {
    case 0:
      input[at] = static_cast<char>(input[at] ^ 1 << Below(random, 8));
      break;
    case 1:
      input[at] = static_cast<char>(random());
      break;
    case 2:
      input[at] = static_cast<char>(kTelling[Below(random, std::size(kTelling))]);
      break;
    case 3:
      input.erase(at, length);
      break;
    case 4:
      input.insert(Below(random, input.size()), input.substr(at, length));
      break;
    case 5:
      input.resize(at);
      break;
    case 6:
      input.insert(at, 1, static_cast<char>(random()));
      break;
  }
  if (input.size() > kMaxSize) input.resize(kMaxSize);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> corpus = {""};
  for (int i = 1; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    if (!file) {
      std::fprintf(stderr, "cannot read %s\n", argv[i]);
      return 1;
    }
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  for (const std::string& input : corpus) Run(input);
  Random random(1);  // NOLINT: the same in every run
  for (int i = 0; i < kMutations; ++i) {
    std::string input = corpus[Below(random, corpus.size())];
    for (size_t changes = 1 + Below(random, 4); changes > 0; --changes) Mutate(random, input);
    Run(input);
  }
  std::printf("replayed %zu inputs and %d mutations\n", corpus.size(), kMutations);
  return 0;
}
