// PluginTable: the implementations of one interface that are linked into this program, by the name
// that the flag takes.
//
//   MICRO_PLUGIN(registry::Registry, "consul", NewConsulRegistry);     // at the end of the implementation's .cc
//   ASSIGN_OR_RETURN(auto registry, PluginTable<registry::Registry>::Create("consul", options));
//
// An implementation's target says `alwayslink = True`, so that linking it is all it takes. The
// interface names its kind and what its factories take: `static constexpr std::string_view
// kPluginKind = "registry";` and `using PluginOptions = …;`. All functions may be called from any
// thread. After Freeze, which the first service to start calls, nothing is added.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace micro {
namespace internal {

// The table behind every PluginTable<Interface>: names, places and factories of any kind.
class PluginNames {
 public:
  using Factory = std::shared_ptr<const void>;  // a std::function of the interface's factory type

  explicit PluginNames(std::string_view kind);
  ~PluginNames();

  absl::Status Add(std::string_view name, std::string_view place, Factory factory);
  absl::StatusOr<Factory> Find(std::string_view name) const;
  std::vector<std::string> Names() const;
  Factory Swap(std::string_view name, Factory factory);  // null: remove
  void Freeze();

 private:
  struct Table;
  std::unique_ptr<Table> table_;
};

// Ends the process when a registration before `main` failed: nobody is there to take the status.
bool AddedOrDie(const absl::Status& status);

}  // namespace internal

template <class Interface>
class PluginTable {
 public:
  using Options = typename Interface::PluginOptions;
  using Created = absl::StatusOr<std::unique_ptr<Interface>>;
  using Factory = std::function<Created(const Options&)>;

  // Adds a plugin. ALREADY_EXISTS names both places; FAILED_PRECONDITION: the table is frozen.
  static absl::Status Add(std::string_view name, std::string_view place, Factory factory) {
    return Table().Add(name, place, std::make_shared<const Factory>(std::move(factory)));
  }

  // Makes the plugin of this name. INVALID_ARGUMENT: it is not linked, the message lists those that
  // are; else its own error.
  static Created Create(std::string_view name, const Options& options) {
    const auto factory = Table().Find(name);
    if (!factory.ok()) return factory.status();
    return (*static_cast<const Factory*>(factory->get()))(options);
  }

  // The linked names, sorted.
  static std::vector<std::string> Names() { return Table().Names(); }

  // From now on Add is refused; a ScopedPlugin still works.
  static void Freeze() { Table().Freeze(); }

 private:
  template <class>
  friend class ScopedPlugin;

  static internal::PluginNames& Table() {
    static internal::PluginNames& table = *new internal::PluginNames(Interface::kPluginKind);
    return table;
  }
};

// Puts a plugin in place of the one of its name, or beside the others, until the end of a test's
// scope.
template <class Interface>
class ScopedPlugin {
 public:
  using Factory = typename PluginTable<Interface>::Factory;

  ScopedPlugin(std::string_view name, Factory factory) : name_(name) {
    before_ = PluginTable<Interface>::Table().Swap(
        name_, std::make_shared<const Factory>(std::move(factory)));
  }
  ~ScopedPlugin() { PluginTable<Interface>::Table().Swap(name_, std::move(before_)); }
  ScopedPlugin(const ScopedPlugin&) = delete;
  ScopedPlugin& operator=(const ScopedPlugin&) = delete;

 private:
  const std::string name_;
  internal::PluginNames::Factory before_;
};

}  // namespace micro

#define MICRO_PLUGIN_CONCAT_INNER(a, b) a##b
#define MICRO_PLUGIN_CONCAT(a, b) MICRO_PLUGIN_CONCAT_INNER(a, b)
#define MICRO_PLUGIN_TEXT_INNER(x) #x
#define MICRO_PLUGIN_TEXT(x) MICRO_PLUGIN_TEXT_INNER(x)

// MICRO_PLUGIN(Interface, name, factory) registers a factory before `main`; a second registration
// of a name ends the process, naming both places.
#define MICRO_PLUGIN(Interface, name, ...)                                                   \
  [[maybe_unused]] static const bool MICRO_PLUGIN_CONCAT(micro_plugin_added_, __COUNTER__) = \
      ::micro::internal::AddedOrDie(::micro::PluginTable<Interface>::Add(                    \
          name, __FILE__ ":" MICRO_PLUGIN_TEXT(__LINE__), __VA_ARGS__))
