// Datagrams packs segments into datagrams, as many as fit, and puts those into an Outbox. Internal.
#pragma once

#include <cstddef>
#include <cstring>

#include "due/kcp/segment.h"

namespace due {

// Where datagrams go.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual char* Room() = 0;           // kMostDatagram bytes, for the next one
  virtual void Put(size_t size) = 0;  // it is in the room that was given last
};

class Datagrams {
 public:
  // `most` bytes each; the outbox outlives this.
  Datagrams(Outbox& outbox, size_t most) : outbox_(outbox), most_(most) {}
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;
  ~Datagrams() {
    if (used_ > 0) outbox_.Put(used_);
  }

  void Put(const Segment& segment) {
    const size_t size = kSegmentHead + segment.bytes.size();
    if (used_ > 0 && used_ + size > most_) {
      outbox_.Put(used_);
      used_ = 0;
    }
    if (used_ == 0) room_ = outbox_.Room();
    WriteHead(segment, room_ + used_);
    if (!segment.bytes.empty())
      std::memcpy(room_ + used_ + kSegmentHead, segment.bytes.data(), segment.bytes.size());
    used_ += size;
  }

 private:
  Outbox& outbox_;
  const size_t most_;
  char* room_ = nullptr;
  size_t used_ = 0;
};

}  // namespace due
