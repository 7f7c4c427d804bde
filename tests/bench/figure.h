// The lines that the numbers of a benchmark are read by: `figure NAME VALUE UNIT`, one each, on
// standard output.
#pragma once

#include <cstdio>
#include <string>

namespace bench {

inline void PrintFigure(const std::string& name, double value, const char* unit) {
  std::printf("figure %s %.3f %s\n", name.c_str(), value, unit);
}

}  // namespace bench
