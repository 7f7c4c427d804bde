#include "micro/endpoint_value.h"

#include <gtest/gtest.h>

#include "micro/endpoint_value_test.pb.h"

namespace micro {
namespace {

using acme::shop::v1::Empty;
using acme::shop::v1::Holder;
using acme::shop::v1::Lists;
using acme::shop::v1::Outer;
using acme::shop::v1::Scalars;
using acme::shop::v1::Tree;
using registry::Value;

TEST(EndpointValue, NamesScalarsByTheirGoTypes) {
  EXPECT_EQ(ValueOf(*Scalars::descriptor()),
            (Value{.name = "Scalars",
                   .type = "Scalars",
                   .values = {{.name = "text", .type = "string"},
                              {.name = "data", .type = "[]uint8"},
                              {.name = "i32", .type = "int32"},
                              {.name = "s32", .type = "int32"},
                              {.name = "sf32", .type = "int32"},
                              {.name = "i64", .type = "int64"},
                              {.name = "s64", .type = "int64"},
                              {.name = "sf64", .type = "int64"},
                              {.name = "u32", .type = "uint32"},
                              {.name = "f32", .type = "uint32"},
                              {.name = "u64", .type = "uint64"},
                              {.name = "f64", .type = "uint64"},
                              {.name = "single", .type = "float32"},
                              {.name = "real", .type = "float64"},
                              {.name = "truth", .type = "bool"}}}));
}

TEST(EndpointValue, WritesNestedNamesWithAnUnderscoreAndStopsAtThreeLevels) {
  EXPECT_EQ(ValueOf(*Outer::descriptor()),
            (Value{.name = "Outer",
                   .type = "Outer",
                   .values = {{.name = "inner",
                               .type = "Outer_Inner",
                               .values = {{.name = "deeper", .type = "Outer_Inner_Innermost"}}},
                              {.name = "kind", .type = "Outer_Kind"},
                              {.name = "color", .type = "Color"}}}));
}

TEST(EndpointValue, NamesARootByItsTypeWithoutThePackage) {
  EXPECT_EQ(ValueOf(*Outer::Inner::descriptor()),
            (Value{.name = "Outer_Inner",
                   .type = "Outer_Inner",
                   .values = {{.name = "deeper",
                               .type = "Outer_Inner_Innermost",
                               .values = {{.name = "name", .type = "string"}}}}}));
}

TEST(EndpointValue, ShowsListsByTheirElementAndMapsWithoutAType) {
  EXPECT_EQ(ValueOf(*Lists::descriptor()),
            (Value{.name = "Lists",
                   .type = "Lists",
                   .values = {{.name = "texts", .type = "[]string"},
                              {.name = "blobs", .type = "[]"},
                              {.name = "numbers", .type = "[]int64"},
                              {.name = "inners", .type = "[]Outer_Inner"},
                              {.name = "colors", .type = "[]Color"},
                              {.name = "counts", .type = ""}}}));
}

TEST(EndpointValue, ShowsAnEmptyMessageWithoutValues) {
  EXPECT_EQ(ValueOf(*Empty::descriptor()), (Value{.name = "Empty", .type = "Empty"}));
}

TEST(EndpointValue, ShowsTheChoicesOfAOneofAsFields) {
  EXPECT_EQ(ValueOf(*Holder::descriptor()),
            (Value{.name = "Holder",
                   .type = "Holder",
                   .values = {{.name = "empty", .type = "Empty"},
                              {.name = "a", .type = "string"},
                              {.name = "b", .type = "int64"},
                              {.name = "maybe_there", .type = "string"}}}));
}

TEST(EndpointValue, EndsInsideAMessageThatHoldsItself) {
  EXPECT_EQ(ValueOf(*Tree::descriptor()),
            (Value{.name = "Tree",
                   .type = "Tree",
                   .values = {{.name = "child",
                               .type = "Tree",
                               .values = {{.name = "child", .type = "Tree"},
                                          {.name = "leaf", .type = "string"}}},
                              {.name = "leaf", .type = "string"}}}));
}

TEST(EndpointValue, RecordsAUnaryEndpointWithBothTreesAndItsMetadata) {
  const HandlerEndpoint endpoint{.method = {.endpoint = "Shop.Buy"},
                                 .request = Empty::descriptor(),
                                 .response = Outer::Inner::Innermost::descriptor(),
                                 .metadata = {{"description", "buys"}}};
  EXPECT_EQ(RecordOf(endpoint),
            (registry::Endpoint{.name = "Shop.Buy",
                                .request = {.name = "Empty", .type = "Empty"},
                                .response = {.name = "Outer_Inner_Innermost",
                                             .type = "Outer_Inner_Innermost",
                                             .values = {{.name = "name", .type = "string"}}},
                                .metadata = {{"description", "buys"}}}));
}

TEST(EndpointValue, RecordsEveryStreamAsContextAndStream) {
  for (const MethodKind kind :
       {MethodKind::kServerStreaming, MethodKind::kClientStreaming, MethodKind::kBidi}) {
    const HandlerEndpoint endpoint{.method = {.endpoint = "Shop.Watch", .kind = kind},
                                   .request = Empty::descriptor(),
                                   .response = Empty::descriptor(),
                                   .metadata = {{"description", "watches"}}};
    EXPECT_EQ(RecordOf(endpoint),
              (registry::Endpoint{.name = "Shop.Watch",
                                  .request = {.name = "Context", .type = "Context"},
                                  .response = {.name = "Stream", .type = "Stream"},
                                  .metadata = {{"description", "watches"}, {"stream", "true"}}}));
  }
}

TEST(EndpointValue, RecordsAnEndpointWithoutDescriptorsWithoutTrees) {
  EXPECT_EQ(RecordOf({.method = {.endpoint = "Proxy.Any"}}),
            (registry::Endpoint{.name = "Proxy.Any"}));
}

}  // namespace
}  // namespace micro
