// The MdnsResponder holds the nodes that this process registered, and says which packets to send:
// it answers queries, probes for and announces new nodes, and takes leave of those that go.
//
// It neither sends nor waits: the caller does, on its own clock and under its own lock.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "registry/mdns/dns_message.h"
#include "registry/mdns/mdns_record.h"
#include "registry/registry.h"

namespace micro::registry {

class MdnsResponder {
 public:
  // `host`: this machine's name, with a final dot.
  explicit MdnsResponder(std::string host) : host_(std::move(host)) {}

  // Adds or replaces the nodes of `service`; what is to be sent for them is due from now on. All of
  // them or, with INVALID_ARGUMENT, none.
  absl::Status Register(const Service& service, absl::Duration ttl, absl::Time now);

  // Removes nodes; the packets that take leave of them, to be multicast at once.
  std::vector<std::string> Deregister(const Service& service);
  std::vector<std::string> DeregisterAll();

  // The packets that answer `query`, each for who asked alone.
  std::vector<std::string> Answer(const dns::Message& query) const;

  // The packets to multicast now: probes, announcements, and the leave of nodes that were not
  // refreshed in time.
  std::vector<std::string> TakeDue(absl::Time now);

  // When TakeDue has something to do.
  absl::Time next_due() const;

 private:
  // A new node is probed for three times and then announced three times.
  enum Step { kFirstProbe, kLastProbe = 2, kFirstAnnouncement, kLastAnnouncement = 5 };

  struct Registration {
    Instance instance;
    std::vector<dns::Record> records;
    absl::Time expires = absl::InfiniteFuture();
    int step = kFirstProbe;
    absl::Time due = absl::InfiniteFuture();  // of the step
  };

  std::string TakeStep(Registration& registration, absl::Time now) const;
  void AnswerQuestion(const dns::Question& question, uint16_t id,
                      std::vector<std::string>& packets) const;

  const std::string host_;
  std::map<std::string, Registration> registrations_;  // by instance name
};

}  // namespace micro::registry
