// A Greeter in a process of its own, which can be stopped and killed.
//
//   SpawnedGreeter greeter({"--server=rpc", "--registry=memory"});
//   greeter.Signal(SIGTERM);
//   EXPECT_EQ(greeter.Wait(), 0);
//   EXPECT_THAT(greeter.Log(), HasSubstr("stopped"));
#pragma once

#include <string>
#include <vector>

#include "tests/integration/spawned_program.h"

namespace micro {

class SpawnedGreeter : public SpawnedProgram {
 public:
  // Returns when it can be found. Its address is a free port of 127.0.0.1 unless `flags` say so.
  explicit SpawnedGreeter(const std::vector<std::string>& flags,
                          const std::string& program = "tests/interop/service")
      : SpawnedProgram(Words(program, flags)) {
    const std::string line = Line();
    const size_t address = line.find("addr=") + 5;
    EXPECT_NE(address, 4u) << line << Log();
    address_ = line.substr(address, line.find(' ', address) - address);
  }

  const std::string& address() const { return address_; }

 private:
  static std::vector<std::string> Words(const std::string& program,
                                        const std::vector<std::string>& flags) {
    std::vector<std::string> words = {program, "--server_address=127.0.0.1:0"};
    words.insert(words.end(), flags.begin(), flags.end());
    return words;
  }

  std::string address_;
};

}  // namespace micro
