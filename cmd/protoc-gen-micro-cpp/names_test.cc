#include "cmd/protoc-gen-micro-cpp/names.h"

#include <gtest/gtest.h>

namespace micro::generator {
namespace {

TEST(CamelCase, IsGosExportedForm) {
  EXPECT_EQ(CamelCase("Greeter"), "Greeter");
  EXPECT_EQ(CamelCase("greeter"), "Greeter");
  EXPECT_EQ(CamelCase("my_shop"), "MyShop");
  EXPECT_EQ(CamelCase("My_Shop"), "My_Shop");
  EXPECT_EQ(CamelCase("my__shop"), "My_Shop");
  EXPECT_EQ(CamelCase("list2go"), "List2Go");
  EXPECT_EQ(CamelCase("v_1beta"), "V_1Beta");
  EXPECT_EQ(CamelCase("_shop"), "XShop");
  EXPECT_EQ(CamelCase("HTTPProxy"), "HTTPProxy");
  EXPECT_EQ(CamelCase("shop_"), "Shop_");
}

TEST(Identifier, KeepsAwayFromTheWordsOfTheLanguage) {
  EXPECT_EQ(Identifier("Hello"), "Hello");
  EXPECT_EQ(Identifier("delete"), "delete_");
  EXPECT_EQ(Identifier("co_yield"), "co_yield_");
  EXPECT_EQ(Identifier("requires"), "requires_");
  EXPECT_EQ(Identifier("NULL"), "NULL_");
  EXPECT_EQ(Identifier("final"), "final");
  EXPECT_EQ(Identifier("CartService", {"CartService"}), "CartService_");
}

TEST(ServiceNames, DoNotDoubleTheWordService) {
  const ServiceNames greeter("Greeter");
  EXPECT_EQ(greeter.client, "GreeterService");
  EXPECT_EQ(greeter.handler, "GreeterHandler");
  EXPECT_EQ(greeter.register_function, "RegisterGreeterHandler");
  EXPECT_EQ(greeter.methods, "GreeterMethods");
  const ServiceNames cart("CartService");
  EXPECT_EQ(cart.client, "CartService");
  EXPECT_EQ(cart.handler, "CartServiceHandler");
}

TEST(Namespace, FollowsThePackage) {
  EXPECT_EQ(Namespace("acme.shop.v1"), "acme::shop::v1");
  EXPECT_EQ(Namespace(""), "");
}

}  // namespace
}  // namespace micro::generator
