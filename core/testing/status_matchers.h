// Matchers for absl::Status, absl::StatusOr and go-micro's error object.
//
//   EXPECT_THAT(registry->Deregister(service), IsOk());
//   EXPECT_THAT(store->Read("a"), IsOkAndHolds(testing::SizeIs(1)));
//   EXPECT_THAT(config, StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("linked: ")));
//   EXPECT_THAT(reply, IsMicroError(404, "helloworld", testing::HasSubstr("no user")));
//
// All of them take a Status or a StatusOr, and say in a failure which status it was. They live in
// namespace micro, so that `testing::` keeps meaning GoogleTest's.
#pragma once

#include <ostream>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/errors.h"
#include "gmock/gmock.h"

namespace micro {
namespace internal {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <class T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

class IsOkMatcher {
 public:
  void DescribeTo(std::ostream* out) const { *out << "is OK"; }
  void DescribeNegationTo(std::ostream* out) const { *out << "is not OK"; }
  template <class Result>
  bool MatchAndExplain(const Result& result, testing::MatchResultListener* listener) const {
    const absl::Status& status = StatusOf(result);
    *listener << "whose status is " << status.ToString();
    return status.ok();
  }
};

template <class Inner>
class IsOkAndHoldsMatcher {
 public:
  explicit IsOkAndHoldsMatcher(Inner inner) : inner_(std::move(inner)) {}

  template <class Result>
  operator testing::Matcher<Result>() const {  // NOLINT: implicit, as gmock wants it
    return testing::Matcher<Result>(new For<Result>(inner_));
  }

 private:
  template <class Result>
  class For final : public testing::MatcherInterface<Result> {
   public:
    using Value = typename std::remove_cvref_t<Result>::value_type;

    explicit For(const Inner& inner) : inner_(testing::SafeMatcherCast<const Value&>(inner)) {}
    void DescribeTo(std::ostream* out) const override {
      *out << "is OK and holds a value that ";
      inner_.DescribeTo(out);
    }
    void DescribeNegationTo(std::ostream* out) const override {
      *out << "is not OK or holds a value that ";
      inner_.DescribeNegationTo(out);
    }
    bool MatchAndExplain(Result result, testing::MatchResultListener* listener) const override {
      if (!result.ok()) {
        *listener << "whose status is " << result.status().ToString();
        return false;
      }
      *listener << "which holds " << testing::PrintToString(*result) << " ";
      return inner_.MatchAndExplain(*result, listener);
    }

   private:
    const testing::Matcher<const Value&> inner_;
  };

  const Inner inner_;
};

class StatusIsMatcher {
 public:
  StatusIsMatcher(testing::Matcher<absl::StatusCode> code,
                  testing::Matcher<const std::string&> message)
      : code_(std::move(code)), message_(std::move(message)) {}

  void DescribeTo(std::ostream* out) const {
    *out << "has a status code that ";
    code_.DescribeTo(out);
    *out << ", and a message that ";
    message_.DescribeTo(out);
  }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "not (";
    DescribeTo(out);
    *out << ")";
  }
  template <class Result>
  bool MatchAndExplain(const Result& result, testing::MatchResultListener* listener) const {
    const absl::Status& status = StatusOf(result);
    *listener << "whose status is " << status.ToString();
    return code_.Matches(status.code()) && message_.Matches(std::string(status.message()));
  }

 private:
  const testing::Matcher<absl::StatusCode> code_;
  const testing::Matcher<const std::string&> message_;
};

class IsMicroErrorMatcher {
 public:
  IsMicroErrorMatcher(testing::Matcher<int> code, testing::Matcher<const std::string&> id,
                      testing::Matcher<const std::string&> detail)
      : code_(std::move(code)), id_(std::move(id)), detail_(std::move(detail)) {}

  void DescribeTo(std::ostream* out) const {
    *out << "is an error whose code ";
    code_.DescribeTo(out);
    *out << ", whose id ";
    id_.DescribeTo(out);
    *out << ", and whose detail ";
    detail_.DescribeTo(out);
  }
  void DescribeNegationTo(std::ostream* out) const {
    *out << "not (";
    DescribeTo(out);
    *out << ")";
  }
  template <class Result>
  bool MatchAndExplain(const Result& result, testing::MatchResultListener* listener) const {
    const absl::Status& status = StatusOf(result);
    *listener << "which is " << errors::ToText(status);
    if (status.ok()) return false;
    const errors::Error error = errors::FromStatus(status);
    return code_.Matches(error.code) && id_.Matches(error.id) && detail_.Matches(error.detail);
  }

 private:
  const testing::Matcher<int> code_;
  const testing::Matcher<const std::string&> id_;
  const testing::Matcher<const std::string&> detail_;
};

}  // namespace internal

inline auto IsOk() { return testing::MakePolymorphicMatcher(internal::IsOkMatcher()); }

// A StatusOr that is OK and whose value matches `inner` (a matcher or a plain value).
template <class Inner>
auto IsOkAndHolds(Inner&& inner) {
  return internal::IsOkAndHoldsMatcher<std::decay_t<Inner>>(std::forward<Inner>(inner));
}

// A status of this code, and of this message where one is given.
inline auto StatusIs(testing::Matcher<absl::StatusCode> code,
                     testing::Matcher<const std::string&> message = testing::_) {
  return testing::MakePolymorphicMatcher(
      internal::StatusIsMatcher(std::move(code), std::move(message)));
}

// A failed status whose error object, as errors::FromStatus gives it, has this code, id and detail.
inline auto IsMicroError(testing::Matcher<int> code,
                         testing::Matcher<const std::string&> id = testing::_,
                         testing::Matcher<const std::string&> detail = testing::_) {
  return testing::MakePolymorphicMatcher(
      internal::IsMicroErrorMatcher(std::move(code), std::move(id), std::move(detail)));
}

}  // namespace micro
