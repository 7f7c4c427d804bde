#include "tests/interop/game_routes.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/mutex.h"
#include "core/status_macros.h"

namespace interop {
namespace {

using due::Node;
using due::Proxy;
using due::Request;
using due::RouteOptions;
using due::SessionKind;
using micro::Context;
using micro::Task;
using nlohmann::json;

constexpr int32_t kPushShift = 1000;
constexpr int32_t kForwarded = 21;

// What a route does: fills `body`, the request's object, which is answered unless it says no.
using Fill = Task<absl::Status> (*)(Context ctx, Node& node, Request& request, json& body);

int64_t Number(const json& body, const char* key, int64_t otherwise) {
  const auto found = body.find(key);
  return found != body.end() && found->is_number_integer() ? found->get<int64_t>() : otherwise;
}

std::string Text(const json& body, const char* key) {
  const auto found = body.find(key);
  return found != body.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool Flag(const json& body, const char* key) {
  const auto found = body.find(key);
  return found != body.end() && found->is_boolean() && found->get<bool>();
}

std::vector<int64_t> Uids(const json& body) {
  std::vector<int64_t> uids;
  const auto found = body.find("uids");
  if (found == body.end() || !found->is_array()) return uids;
  for (const json& uid : *found) {
    if (uid.is_number_integer()) uids.push_back(uid.get<int64_t>());
  }
  return uids;
}

// What a push says that a request causes.
std::string PushOf(const Request& request, const json& body) {
  return json{{"message", Text(body, "message")}, {"uid", request.uid()}}.dump();
}

// ---- Who is who ----

Task<absl::Status> Bind(Context ctx, Node& node, Request& request, json& body) {
  CO_RETURN_IF_ERROR(co_await request.BindGate(ctx, Number(body, "uid", 0)));
  body["cid"] = request.cid();
  body["gid"] = request.gid();
  body["nid"] = node.id();
  co_return absl::OkStatus();
}

Task<absl::Status> UnbindGate(Context ctx, Node&, Request& request, json&) {
  return request.UnbindGate(std::move(ctx));
}

Task<absl::Status> BindNode(Context ctx, Node& node, Request& request, json& body) {
  body["nid"] = node.id();
  return request.BindNode(std::move(ctx));
}

Task<absl::Status> UnbindNode(Context ctx, Node&, Request& request, json&) {
  return request.UnbindNode(std::move(ctx));
}

// Of Stateful, Authorized and Internal.
Task<absl::Status> Who(Context, Node& node, Request& request, json& body) {
  body["uid"] = request.uid();
  body["nid"] = node.id();
  co_return absl::OkStatus();
}

Task<absl::Status> Info(Context ctx, Node& node, Request& request, json& body) {
  const Proxy proxy = request.proxy();
  CO_ASSIGN_OR_RETURN(body["ip"], co_await request.GetIp(ctx));
  CO_ASSIGN_OR_RETURN(body["total"], co_await proxy.Stat(ctx, SessionKind::kConn));
  const int64_t uid = Number(body, "uid", request.uid());
  body["uid"] = uid;
  body["cid"] = request.cid();
  if (uid == 0) co_return absl::OkStatus();
  CO_ASSIGN_OR_RETURN(body["gid"], co_await proxy.locator().LocateGate(ctx, uid));
  CO_ASSIGN_OR_RETURN(body["nid"], co_await proxy.locator().LocateNode(ctx, uid, node.name()));
  CO_ASSIGN_OR_RETURN(body["online"], co_await proxy.IsOnline(ctx, {.target = uid}));
  co_return absl::OkStatus();
}

// ---- Pushes ----

Task<absl::Status> PushSelf(Context ctx, Node&, Request& request, json& body) {
  const std::string push = PushOf(request, body);
  co_return co_await request.proxy().Push(
      ctx, {.target = request.uid(),
            .message = {.route = request.route() + kPushShift, .body = push},
            .ack = Flag(body, "ack")});
}

Task<absl::Status> Broadcast(Context ctx, Node&, Request& request, json& body) {
  const std::string push = PushOf(request, body);
  CO_ASSIGN_OR_RETURN(body["total"],
                      co_await request.proxy().Broadcast(
                          ctx, {.message = {.route = request.route() + kPushShift, .body = push},
                                .ack = Flag(body, "ack")}));
  co_return absl::OkStatus();
}

Task<absl::Status> Multicast(Context ctx, Node&, Request& request, json& body) {
  const std::string push = PushOf(request, body);
  CO_ASSIGN_OR_RETURN(body["total"],
                      co_await request.proxy().Multicast(
                          ctx, {.gid = Text(body, "gid"),
                                .targets = Uids(body),
                                .message = {.route = request.route() + kPushShift, .body = push},
                                .ack = Flag(body, "ack")}));
  co_return absl::OkStatus();
}

Task<absl::Status> Publish(Context ctx, Node&, Request& request, json& body) {
  const std::string push = PushOf(request, body);
  CO_ASSIGN_OR_RETURN(body["total"],
                      co_await request.proxy().Publish(
                          ctx, {.channel = Text(body, "channel"),
                                .message = {.route = request.route() + kPushShift, .body = push},
                                .ack = Flag(body, "ack")}));
  co_return absl::OkStatus();
}

Task<absl::Status> Subscribe(Context ctx, Node&, Request& request, json& body) {
  return request.Subscribe(std::move(ctx), Text(body, "channel"));
}

Task<absl::Status> Unsubscribe(Context ctx, Node&, Request& request, json& body) {
  return request.Unsubscribe(std::move(ctx), Text(body, "channel"));
}

Task<absl::Status> Disconnect(Context ctx, Node&, Request& request, json& body) {
  return request.Disconnect(std::move(ctx), Flag(body, "force"));
}

// To this connection, and to one that there is not.
Task<absl::Status> PushClose(Context ctx, Node&, Request& request, json& body) {
  const std::string push = PushOf(request, body);
  const auto sent = co_await request.proxy().Multicast(
      ctx, {.gid = request.gid(),
            .kind = SessionKind::kConn,
            .targets = {request.cid(), request.cid() + 1'000'000},
            .message = {.route = request.route() + kPushShift, .body = push},
            .disconnect = true});
  co_return sent.status();
}

Task<absl::Status> Large(Context, Node&, Request&, json& body) {
  const int64_t size = Number(body, "n", 0);
  if (size < 0 || size > 1 << 20) co_return absl::InvalidArgumentError("n is not 0 to 1048576");
  body["message"] = std::string(static_cast<size_t>(size), 'x');
  co_return absl::OkStatus();
}

// ---- From node to node ----

Task<absl::Status> Forward(Context ctx, Node&, Request& request, json& body) {
  const std::string forwarded = json{{"message", Text(body, "message")}}.dump();
  co_return co_await request.proxy().Deliver(ctx,
                                             {.nid = Text(body, "nid"),
                                              .uid = request.uid(),
                                              .message = {.route = kForwarded, .body = forwarded}});
}

Task<absl::Status> Forwarded(Context ctx, Node& node, Request& request, json& body) {
  const std::string push =
      json{{"message", Text(body, "message")}, {"uid", request.uid()}, {"nid", node.id()}}.dump();
  co_return co_await request.proxy().Push(
      ctx,
      {.target = request.uid(), .message = {.route = request.route() + kPushShift, .body = push}});
}

// Answers what `fill` makes of the request.
due::RequestHandler Answering(Node& node, Fill fill) {
  return [&node, fill](Context ctx, Request& request) -> Task<absl::Status> {
    json body = json::parse(request.body(), nullptr, /*allow_exceptions=*/false);
    if (!body.is_object()) body = json::object();
    const absl::Status status = co_await fill(ctx, node, request, body);
    if (!status.ok()) {
      body["code"] = 1;
      body["error"] = std::string(status.message());
    }
    co_return request.Respond(body.dump(-1, ' ', false, json::error_handler_t::replace));
  };
}

due::RequestHandler Silent(Node& node, Fill fill) {
  return [&node, fill](Context ctx, Request& request) -> Task<absl::Status> {
    json body = json::parse(request.body(), nullptr, /*allow_exceptions=*/false);
    co_return co_await fill(ctx, node, request, body);
  };
}

Task<absl::Status> Nothing(Context, Node&, Request&, json&) { co_return absl::OkStatus(); }

}  // namespace

// The events of users and of connections, in their order.
struct GameRoutes::Told {
  using Events = std::vector<int>;

  void Add(const due::PlayerEvent& event) {
    micro::MutexLock lock(mutex);
    const int number = static_cast<int>(event.event);
    of_conn[{event.gid, event.cid}].push_back(number);
    if (event.uid != 0) of_user[event.uid].push_back(number);
  }

  std::string Of(const Request& request, const json& body) {
    micro::MutexLock lock(mutex);
    const int64_t uid = Number(body, "uid", 0);
    const Events& events =
        uid != 0 ? of_user[uid] : of_conn[{request.gid(), Number(body, "cid", request.cid())}];
    return fmt::format("{}", fmt::join(events, ","));
  }

  micro::Mutex mutex;
  std::map<std::pair<std::string, int64_t>, Events> of_conn ABSL_GUARDED_BY(mutex);
  std::map<int64_t, Events> of_user ABSL_GUARDED_BY(mutex);
};

GameRoutes::GameRoutes(Node& node, bool raw) : told_(std::make_unique<Told>()) {
  due::Router& router = node.router();
  if (raw) {
    router.Add(1, [](Context, Request& request) -> Task<absl::Status> {
      co_return request.Respond(request.body());
    });
  } else {
    router.Add(1, Answering(node, Nothing));
  }
  struct Route {
    int32_t id;
    Fill fill;
    RouteOptions options = {};
  };
  const Route answered[] = {{2, Bind},
                            {3, Who, {.stateful = true}},
                            {4, PushSelf, {.authorized = true}},
                            {5, Broadcast},
                            {6, Multicast},
                            {7, Subscribe},
                            {9, Info},
                            {10, BindNode, {.authorized = true}},
                            {11, UnbindNode, {.authorized = true}},
                            {12, UnbindGate},
                            {13, Who, {.authorized = true}},
                            {14, Who, {.internal = true}},
                            {15, Publish},
                            {16, Unsubscribe},
                            {19, Large},
                            {20, Forward, {.authorized = true}}};
  for (const Route& route : answered)
    router.Add(route.id, Answering(node, route.fill), route.options);
  const Route silent[] = {
      {8, Disconnect}, {17, PushClose}, {kForwarded, Forwarded, {.internal = true}}};
  for (const Route& route : silent) router.Add(route.id, Silent(node, route.fill), route.options);
  router.Add(18, [told = told_.get()](Context, Request& request) -> Task<absl::Status> {
    json body = json::parse(request.body(), nullptr, /*allow_exceptions=*/false);
    if (!body.is_object()) body = json::object();
    body["message"] = told->Of(request, body);
    co_return request.Respond(body.dump());
  });
  for (const due::link::Event event :
       {due::link::Event::kConnect, due::link::Event::kReconnect, due::link::Event::kDisconnect}) {
    node.OnEvent(event, [told = told_.get()](Context, due::PlayerEvent what) -> Task<absl::Status> {
      told->Add(what);
      co_return absl::OkStatus();
    });
  }
}

GameRoutes::~GameRoutes() = default;

}  // namespace interop
