#include "registry/mdns/dns_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/status_macros.h"
#include "registry/mdns/dns_name.h"

namespace micro::registry::dns {
namespace {

constexpr size_t kMinQuestion = 5;  // the root's name, type and class
constexpr size_t kMinRecord = 11;   // those, TTL and the length of nothing

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

class Writer {
 public:
  absl::StatusOr<std::string> Write(const Message& message) {
    Put16(message.id);
    Put16(message.flags);
    for (const size_t count : {message.questions.size(), message.answers.size(),
                               message.authorities.size(), message.additionals.size()}) {
      if (count > 0xffff) return absl::InvalidArgumentError("DNS message of too many records");
      Put16(static_cast<uint16_t>(count));
    }
    for (const Question& question : message.questions) {
      RETURN_IF_ERROR(PutName(question.name));
      Put16(question.type);
      Put16(question.question_class);
    }
    for (const auto* records : {&message.answers, &message.authorities, &message.additionals}) {
      for (const Record& record : *records) RETURN_IF_ERROR(PutRecord(record));
    }
    if (packet_.size() > kMaxPacket) return TooLong();
    return std::move(packet_);
  }

 private:
  absl::Status TooLong() const {
    return absl::InvalidArgumentError(
        fmt::format("a DNS packet of {} bytes: at most {} fit", packet_.size(), kMaxPacket));
  }

  void Put16(uint16_t value) {
    packet_.push_back(static_cast<char>(value >> 8));
    packet_.push_back(static_cast<char>(value & 0xff));
  }

  absl::Status PutName(std::string_view name, bool compress = true) {
    return AppendName(name, compress, packet_, offsets_);
  }

  template <size_t size>
  void PutBytes(const std::array<uint8_t, size>& bytes) {
    packet_.append(bytes.begin(), bytes.end());
  }

  absl::Status PutRecord(const Record& record) {
    RETURN_IF_ERROR(PutName(record.name));
    Put16(std::visit(Overloaded{[](const Ptr&) { return kPtr; }, [](const Srv&) { return kSrv; },
                                [](const A&) { return kA; }, [](const Aaaa&) { return kAaaa; },
                                [](const Txt&) { return kTxt; },
                                [](const Unknown& unknown) { return unknown.type; }},
                     record.data));
    Put16(record.record_class);
    Put16(static_cast<uint16_t>(record.ttl >> 16));
    Put16(static_cast<uint16_t>(record.ttl & 0xffff));
    const size_t length_at = packet_.size();
    Put16(0);
    RETURN_IF_ERROR(std::visit([this](const auto& data) { return PutData(data); }, record.data));
    const size_t length = packet_.size() - length_at - 2;
    if (packet_.size() > kMaxPacket) return TooLong();
    packet_[length_at] = static_cast<char>(length >> 8);
    packet_[length_at + 1] = static_cast<char>(length & 0xff);
    return absl::OkStatus();
  }

  absl::Status PutData(const Ptr& ptr) { return PutName(ptr.target); }
  absl::Status PutData(const Srv& srv) {
    Put16(srv.priority);
    Put16(srv.weight);
    Put16(srv.port);
    return PutName(srv.target, /*compress=*/false);  // RFC 2782
  }
  absl::Status PutData(const A& a) {
    PutBytes(a.address);
    return absl::OkStatus();
  }
  absl::Status PutData(const Aaaa& aaaa) {
    PutBytes(aaaa.address);
    return absl::OkStatus();
  }
  absl::Status PutData(const Txt& txt) {
    for (const std::string& text : txt.strings) {
      if (text.size() > 255) {
        return absl::InvalidArgumentError("a string of a TXT record has at most 255 bytes");
      }
      packet_.push_back(static_cast<char>(text.size()));
      packet_ += text;
    }
    return absl::OkStatus();
  }
  absl::Status PutData(const Unknown& unknown) {
    packet_ += unknown.bytes;
    return absl::OkStatus();
  }

  std::string packet_;
  NameOffsets offsets_;
};

class Reader {
 public:
  explicit Reader(std::string_view packet) : packet_(packet) {}

  absl::StatusOr<Message> Read() {
    Message message;
    ASSIGN_OR_RETURN(message.id, Get16());
    ASSIGN_OR_RETURN(message.flags, Get16());
    ASSIGN_OR_RETURN(const size_t questions, Get16());
    ASSIGN_OR_RETURN(const size_t answers, Get16());
    ASSIGN_OR_RETURN(const size_t authorities, Get16());
    ASSIGN_OR_RETURN(const size_t additionals, Get16());
    const size_t least =
        questions * kMinQuestion + (answers + authorities + additionals) * kMinRecord;
    if (least > packet_.size() - at_) {
      return absl::InvalidArgumentError("DNS header counts more records than the packet can hold");
    }
    message.questions.reserve(questions);
    for (size_t i = 0; i < questions; ++i) {
      Question& question = message.questions.emplace_back();
      ASSIGN_OR_RETURN(question.name, ReadName(packet_, &at_));
      ASSIGN_OR_RETURN(question.type, Get16());
      ASSIGN_OR_RETURN(question.question_class, Get16());
    }
    RETURN_IF_ERROR(GetRecords(answers, message.answers));
    RETURN_IF_ERROR(GetRecords(authorities, message.authorities));
    RETURN_IF_ERROR(GetRecords(additionals, message.additionals));
    return message;
  }

 private:
  absl::StatusOr<std::string_view> GetBytes(size_t count) {
    if (count > packet_.size() - at_) return absl::InvalidArgumentError("DNS packet is cut off");
    const std::string_view bytes = packet_.substr(at_, count);
    at_ += count;
    return bytes;
  }

  absl::StatusOr<uint16_t> Get16() {
    ASSIGN_OR_RETURN(const std::string_view bytes, GetBytes(2));
    return static_cast<uint16_t>(static_cast<uint8_t>(bytes[0]) << 8 |
                                 static_cast<uint8_t>(bytes[1]));
  }

  template <size_t size>
  absl::Status GetArray(std::array<uint8_t, size>& array) {
    ASSIGN_OR_RETURN(const std::string_view bytes, GetBytes(size));
    std::copy(bytes.begin(), bytes.end(), array.begin());
    return absl::OkStatus();
  }

  absl::Status GetRecords(size_t count, std::vector<Record>& records) {
    records.reserve(count);
    for (size_t i = 0; i < count; ++i) RETURN_IF_ERROR(GetRecord(records.emplace_back()));
    return absl::OkStatus();
  }

  absl::Status GetRecord(Record& record) {
    ASSIGN_OR_RETURN(record.name, ReadName(packet_, &at_));
    ASSIGN_OR_RETURN(const uint16_t type, Get16());
    ASSIGN_OR_RETURN(record.record_class, Get16());
    ASSIGN_OR_RETURN(const uint32_t ttl_high, Get16());
    ASSIGN_OR_RETURN(const uint32_t ttl_low, Get16());
    record.ttl = ttl_high << 16 | ttl_low;
    ASSIGN_OR_RETURN(const size_t length, Get16());
    if (length > packet_.size() - at_) return absl::InvalidArgumentError("DNS record is cut off");
    const size_t end = at_ + length;
    RETURN_IF_ERROR(GetData(type, end, record));
    if (at_ != end) return absl::InvalidArgumentError("DNS record's length does not fit its data");
    return absl::OkStatus();
  }

  absl::Status GetData(uint16_t type, size_t end, Record& record) {
    switch (type) {
      case kPtr: {
        ASSIGN_OR_RETURN(record.data.emplace<Ptr>().target, ReadName(packet_, &at_));
        return absl::OkStatus();
      }
      case kSrv: {
        Srv& srv = record.data.emplace<Srv>();
        ASSIGN_OR_RETURN(srv.priority, Get16());
        ASSIGN_OR_RETURN(srv.weight, Get16());
        ASSIGN_OR_RETURN(srv.port, Get16());
        ASSIGN_OR_RETURN(srv.target, ReadName(packet_, &at_));
        return absl::OkStatus();
      }
      case kA:
        return GetArray(record.data.emplace<A>().address);
      case kAaaa:
        return GetArray(record.data.emplace<Aaaa>().address);
      case kTxt: {
        Txt& txt = record.data.emplace<Txt>();
        while (at_ < end) {
          const size_t length = static_cast<uint8_t>(packet_[at_++]);
          if (length > end - at_) return absl::InvalidArgumentError("DNS text is cut off");
          txt.strings.emplace_back(packet_.substr(at_, length));
          at_ += length;
        }
        return absl::OkStatus();
      }
      default: {
        ASSIGN_OR_RETURN(const std::string_view bytes, GetBytes(end - at_));
        record.data = Unknown{type, std::string(bytes)};
        return absl::OkStatus();
      }
    }
  }

  const std::string_view packet_;
  size_t at_ = 0;
};

}  // namespace

absl::Status CheckName(std::string_view name) { return NameToWire(name).status(); }

absl::StatusOr<std::string> Pack(const Message& message) { return Writer().Write(message); }

absl::StatusOr<Message> Parse(std::string_view packet) { return Reader(packet).Read(); }

}  // namespace micro::registry::dns
