// Programs that a benchmark measures: started with their output read, their CPU time asked for.
#pragma once

#include <sys/types.h>

#include <cstdio>
#include <string>
#include <vector>

namespace bench {

// A process whose standard output is read, and its input written. Killed by its destructor.
class Child {
 public:
  // Starts `program` ("": a copy of this one). Ends the process when that cannot be done.
  Child(const std::string& program, const std::vector<std::string>& arguments);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;

  // The next line that it prints, without its end; a child that has ended ends this process, too.
  std::string Line();

  // The next line that begins with `word` and a space: what follows.
  std::string LineAfter(const std::string& word);

  // Writes to its input.
  void Say(const std::string& text);

  // The CPU time that it has used, in seconds.
  double CpuSeconds() const;

  // The memory that it holds.
  double ResidentKiB() const;

 private:
  std::string program_;
  pid_t pid_ = -1;
  FILE* out_ = nullptr;
  int in_ = -1;
};

// The program `name` of tests/interop/gomicro, built now; "" where this process was not started by
// `bazel run`, and so does not know where the sources are. Ends the process when it cannot be built.
std::string GoMicroProgram(const std::string& name);

double Median(std::vector<double> values);

}  // namespace bench
