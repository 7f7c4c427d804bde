// A Connection is one program's link to NATS: made on first use, it seeks another server when it
// loses one, without end, and takes its subscriptions along.
//
//   ASSIGN_OR_RETURN(auto nats, nats::Connection::Make({.addresses = {"10.0.0.7:4222"}}));
//   nats->Subscribe({.subject = "greetings", .handle = [](const nats::Message& message) { … }});
//   CO_RETURN_IF_ERROR(co_await nats->Publish({.subject = "greetings", .payload = "hello"}).Wait(ctx));
//
// Every method but Close may be called from any thread, also with a lock held: none waits, and none
// runs a handler. One thread of its own makes all calls to libnats, which may block.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/async.h"

namespace micro::nats {

struct ConnectionOptions {
  // host:port, nats://host:port or tls://host:port, tried in turn from a random one on. None: those
  // of the environment's MICRO_NATS_ADDRESS, a comma list, else nats://127.0.0.1:4222.
  std::vector<std::string> addresses = {};
  std::string username = {};
  std::string password = {};
  std::string token = {};
  bool tls = false;           // also on with any of the files, or where the server asks for it
  std::string tls_ca = {};    // PEM file; empty: the system's roots
  std::string tls_cert = {};  // PEM files of our own certificate, for mutual TLS
  std::string tls_key = {};
  std::string tls_server_name = {};  // that the server's certificate must bear; empty: its host
  // How long a server may take to accept a connection, or to take what is sent; then the next one is
  // tried.
  absl::Duration patience = absl::Seconds(5);
  // Where the settings above come from, for messages: "registry" for --registry_address and so on.
  std::string flags = "registry";
  // Called, as a handler is, when there is a connection again before which messages may have been
  // lost: after the loss of another, or after attempts in vain. Subscriptions are in place.
  std::function<void()> reconnected = nullptr;
};

// INVALID_ARGUMENT: words without blanks that are joined by dots are a subject. libnats takes any
// text, and writes it as it is.
absl::Status CheckSubject(std::string_view subject);

struct Message {
  std::string_view subject = {};
  std::string_view reply = {};  // where an answer is to go; empty: none is wanted
  std::string_view payload = {};
};

struct Subscription {
  std::string subject = {};
  // Called for one message at a time, on a thread that delivers to all of the process: it must not
  // wait. It may run a last time while the Connection is closed, and holds what it needs itself.
  std::function<void(const Message&)> handle = nullptr;
  // What may wait for `handle`; more is dropped, and an error is logged.
  int max_pending_messages = 65536;
  int max_pending_bytes = 64 << 20;
};

// Tells whether the server got a message.
class Receipt {
 public:
  Receipt(std::shared_ptr<OneShot<bool>> done, absl::Duration limit)
      : done_(std::move(done)), limit_(limit) {}

  // OK once the server has it, and all that was sent before it. INVALID_ARGUMENT: it will never
  // take it. UNAVAILABLE, naming addresses and flag: there is no server, or it went meanwhile; it
  // may have it or not. Once only.
  Task<absl::Status> Wait(Context ctx) const;

 private:
  std::shared_ptr<OneShot<bool>> done_;
  absl::Duration limit_;
};

class Connection {
 public:
  // INVALID_ARGUMENT, naming the flag: an address that is none, a file that cannot be used.
  static absl::StatusOr<std::unique_ptr<Connection>> Make(ConnectionOptions options);

  ~Connection() { Close(); }

  // From now on, over all connections to come. In place when a Receipt asked for later is OK.
  // INVALID_ARGUMENT: its subject is none.
  absl::Status Subscribe(Subscription subscription);

  // Sends a message as soon as there is a connection; while servers have been tried in vain, it is
  // not kept. In the order of the calls, for Send and Publish alike.
  void Send(const Message& message);
  Receipt Publish(const Message& message);

  // For all that was sent, and subscribed to, before.
  Receipt Flush();

  // Sends what is queued, if there is a connection, and ends it. Waits: a moment, or until an
  // attempt to connect has ended. Not from a handler; the destructor does it too.
  void Close();

 private:
  class Link;
  explicit Connection(std::shared_ptr<Link> link) : link_(std::move(link)) {}
  void Send(const Message& message, std::shared_ptr<OneShot<bool>> done);

  const std::shared_ptr<Link> link_;
};

}  // namespace micro::nats
