#include <cstdio>

#include "core/errors.h"
#include "examples/weather/weather.micro.h"
#include "micro/service.h"

class Forecast final : public weather::ForecastHandler {
  micro::Task<absl::Status> Tomorrow(const micro::Context&, const weather::Place& place,
                                     weather::Outlook& outlook) override {
    if (place.name().empty()) co_return micro::errors::BadRequest("weather", "which place?");
    outlook.set_text("Rain in " + place.name());
    co_return absl::OkStatus();
  }
};

int main(int argc, char** argv) {
  std::string ask;
  auto service =
      micro::NewService({.name = "weather", .flags = {{"ask", &ask, "ask about this place"}}});
  service->Init(&argc, argv);
  if (ask.empty()) {  // serve
    weather::RegisterForecastHandler(*service->server(), std::make_shared<Forecast>());
    return service->Run();
  }
  weather::ForecastService forecast("weather", service->client());  // call
  weather::Place place;
  place.set_name(ask);
  const auto outlook = micro::BlockOn(forecast.Tomorrow(micro::Context(), place));
  std::puts(outlook.ok() ? outlook->text().c_str()
                         : micro::errors::ToText(outlook.status()).c_str());
  return outlook.ok() ? 0 : 1;
}
