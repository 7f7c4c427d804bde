// What codecs cost over protobuf's own calls: the same message written and read both ways, and the
// ratio of the two.
//
//   bazel run -c opt //tests/bench:codec_bench [-- --benchmark_filter=json]
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "codec/codec.h"
#include "tests/bench/echo.pb.h"
#include "tests/bench/figure_reporter.h"

namespace bench {
namespace {

using micro::codec::Codec;

// One way to write and read a message.
struct Form {
  std::string name;
  std::function<std::string(const EchoMessage&)> write;
  std::function<bool(const std::string&, EchoMessage*)> read;
};

Form CodecForm(const std::string& content_type) {
  const Codec* codec = micro::codec::ForContentType(content_type).value();
  return {
      .name = "micro",
      .write =
          [codec](const EchoMessage& message) { return codec->MarshalToString(message).value(); },
      .read =
          [codec](const std::string& bytes, EchoMessage* message) {
            return codec->UnmarshalFromString(bytes, *message).ok();
          }};
}

Form ProtoForm() {
  return {.name = "protobuf",
          .write = [](const EchoMessage& message) { return message.SerializeAsString(); },
          .read = [](const std::string& bytes,
                     EchoMessage* message) { return message->ParseFromString(bytes); }};
}

Form JsonForm() {
  return {.name = "protobuf",
          .write =
              [](const EchoMessage& message) {
                std::string json;
                if (!google::protobuf::util::MessageToJsonString(message, &json).ok()) std::abort();
                return json;
              },
          .read =
              [](const std::string& bytes, EchoMessage* message) {
                message->Clear();
                google::protobuf::util::JsonParseOptions options;
                options.ignore_unknown_fields = true;
                return google::protobuf::util::JsonStringToMessage(bytes, message, options).ok();
              }};
}

void Register(const std::string& codec, const Form& form, int size) {
  EchoMessage message;
  message.set_payload(std::string(static_cast<size_t>(size), 'x'));
  const auto name = [&](const char* what) {
    return fmt::format("codec.{}.{}.{}B.{}", codec, what, size, form.name);
  };
  benchmark::RegisterBenchmark(name("marshal").c_str(), [form, message](benchmark::State& state) {
    for (auto _ : state) {
      const std::string bytes = form.write(message);
      benchmark::DoNotOptimize(bytes.data());
    }
  });
  benchmark::RegisterBenchmark(name("unmarshal").c_str(), [form, message](benchmark::State& state) {
    const std::string bytes = form.write(message);
    EchoMessage read;
    for (auto _ : state) {
      if (!form.read(bytes, &read)) std::abort();
      benchmark::DoNotOptimize(read.payload().data());
    }
  });
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  for (const int size : {32, 1024}) {
    bench::Register("proto", bench::CodecForm("application/protobuf"), size);
    bench::Register("proto", bench::ProtoForm(), size);
    bench::Register("json", bench::CodecForm("application/json"), size);
    bench::Register("json", bench::JsonForm(), size);
  }
  const bench::Figures figures = bench::RunBenchmarks(argc, argv);
  for (const auto& [name, ours] : figures) {
    if (!name.ends_with(".micro")) continue;
    const std::string what = name.substr(0, name.size() - std::string(".micro").size());
    const auto theirs = figures.find(what + ".protobuf");
    if (theirs != figures.end())
      bench::PrintFigure(what + ".ratio", ours / theirs->second, "micro/protobuf");
  }
  return 0;
}
