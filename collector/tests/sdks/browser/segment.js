// docs
import { AnalyticsBrowser } from "@segment/analytics-next";
const analytics = AnalyticsBrowser.load({ writeKey: "wk-4f1c", cdnURL: "https://collect.example.com" },
  { integrations: { "Segment.io": { apiHost: "collect.example.com/v1", protocol: "https" } } });
// end
import { drive, props } from "./driver.js";
drive({
  identify: (user) => analytics.identify(user, { plan: "pro" }),
  page: () => analytics.page("Shop"),
  track: (_, name, at) => analytics.track(name, props, { timestamp: new Date(at) }),
});
