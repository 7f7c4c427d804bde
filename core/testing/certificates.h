// Certificates for a test, made by the openssl command in the test's own folder.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace micro {

// A certificate and its key, as PEM files.
struct Certificate {
  std::string cert, key;
};

// An authority that signs certificates.
class CertificateAuthority {
 public:
  explicit CertificateAuthority(const std::string& name) : name_(name), own_(Files(name)) {
    Run("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=" +
        name + " -keyout " + own_.key + " -out " + own_.cert);
  }

  const std::string& cert() const { return own_.cert; }

  // A certificate for a host or a caller: `names` as openssl's subjectAltName has it
  // ("DNS:greeter.test,IP:127.0.0.1").
  Certificate Sign(const std::string& subject, const std::string& names) const {
    const Certificate made = Files(name_ + "-" + subject);
    const std::string request = made.key + ".csr", extensions = made.key + ".ext";
    std::ofstream(extensions) << "subjectAltName=" << names << "\n";
    Run("req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=" + subject +
        " -keyout " + made.key + " -out " + request);
    Run("x509 -req -days 2 -CAcreateserial -CA " + own_.cert + " -CAkey " + own_.key + " -in " +
        request + " -extfile " + extensions + " -out " + made.cert);
    return made;
  }

 private:
  static Certificate Files(const std::string& name) {
    const std::string stem = ::testing::TempDir() + "/" + name;
    return {.cert = stem + ".pem", .key = stem + ".key"};
  }
  static void Run(const std::string& arguments) {
    const std::string command = "openssl " + arguments + " 2>&1";
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }

  const std::string name_;
  const Certificate own_;
};

}  // namespace micro
