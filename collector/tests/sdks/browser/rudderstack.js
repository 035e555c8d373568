// docs
import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";
const analytics = new RudderAnalytics();
analytics.load("wk-4f1c", "https://collect.example.com", { configUrl: "https://collect.example.com" });
// end
import { drive, props } from "./driver.js";
drive({
  identify: (user) => analytics.identify(user, { plan: "pro" }),
  page: () => analytics.page("Shop"),
  track: (_, name) => analytics.track(name, props),
});
