// OpenSSL frees what it holds when the process exits. Threads that live until then, gRPC's and those
// of our loops, may be shaking hands at that moment, and would crash on what is gone; so it is told
// to leave everything to the end of the process.
#include <openssl/crypto.h>

namespace {

// OpenSSL heeds it only before its first use: before main, and before objects that use it are made.
[[gnu::constructor(101)]] void KeepUntilTheEnd() {
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
}

}  // namespace
