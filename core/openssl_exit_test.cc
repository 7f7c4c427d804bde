#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cstdlib>

namespace {

// Uses OpenSSL, and exits; with 3 where OpenSSL frees what it holds then.
[[noreturn]] void UseAndExit() {
  SSL_CTX_free(SSL_CTX_new(TLS_method()));
  OPENSSL_atexit([] { _exit(3); });
  std::exit(0);
}

TEST(OpenSslExitDeathTest, ThreadsFindOpenSslAsItWasUntilTheProcessEnds) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(UseAndExit(), ::testing::ExitedWithCode(0), "");
}

}  // namespace
