// Bodies are what the messages of a game's packets are made of: protobuf messages in a codec's form,
// encrypted where the game wants that.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace google::protobuf {
class Message;
}

namespace micro::codec {
class Codec;
}

namespace due {

// What a game encrypts its messages with; its clients have the counterpart. Any thread. Mirrors due's
// crypto.Encryptor.
class Encryptor {
 public:
  virtual ~Encryptor() = default;
  virtual absl::StatusOr<std::string> Encrypt(std::string_view text) const = 0;
  virtual absl::StatusOr<std::string> Decrypt(std::string_view text) const = 0;
};

// Any thread.
class Bodies {
 public:
  // The codec of that name, "proto" or "json". INVALID_ARGUMENT: it is not linked; the message lists
  // those that are.
  static absl::StatusOr<Bodies> New(std::string_view codec,
                                    std::shared_ptr<const Encryptor> encryptor);

  // Reads what a player (true), or a node, has sent into `message`; of an empty body nothing.
  // INVALID_ARGUMENT: it is no such message; the encryptor's errors.
  absl::Status Read(std::string_view body, bool is_players,
                    google::protobuf::Message& message) const;

  // What is to be sent to a player, or to a node.
  absl::StatusOr<std::string> Write(const google::protobuf::Message& message,
                                    bool is_players) const;

 private:
  Bodies(std::shared_ptr<const micro::codec::Codec> codec,
         std::shared_ptr<const Encryptor> encryptor)
      : codec_(std::move(codec)), encryptor_(std::move(encryptor)) {}

  std::shared_ptr<const micro::codec::Codec> codec_;
  std::shared_ptr<const Encryptor> encryptor_;  // null: as it is
};

}  // namespace due
