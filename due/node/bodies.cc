#include "due/node/bodies.h"

#include "codec/codec.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"

namespace due {

absl::StatusOr<Bodies> Bodies::New(std::string_view codec,
                                   std::shared_ptr<const Encryptor> encryptor) {
  ASSIGN_OR_RETURN(std::shared_ptr<const micro::codec::Codec> created,
                   micro::PluginTable<micro::codec::Codec>::Create(codec, {}));
  return Bodies(std::move(created), std::move(encryptor));
}

absl::Status Bodies::Read(std::string_view body, bool is_players,
                          google::protobuf::Message& message) const {
  if (body.empty()) return absl::OkStatus();
  if (encryptor_ == nullptr || !is_players) return codec_->UnmarshalFromString(body, message);
  ASSIGN_OR_RETURN(const std::string text, encryptor_->Decrypt(body));
  return codec_->UnmarshalFromString(text, message);
}

absl::StatusOr<std::string> Bodies::Write(const google::protobuf::Message& message,
                                          bool is_players) const {
  ASSIGN_OR_RETURN(std::string text, codec_->MarshalToString(message));
  if (encryptor_ == nullptr || !is_players) return text;
  return encryptor_->Encrypt(text);
}

}  // namespace due
