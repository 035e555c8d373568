// docs
import { jitsuAnalytics } from "@jitsu/js";
const analytics = jitsuAnalytics({ host: "https://collect.example.com", writeKey: "jk:secret" });
// end
import { drive, props } from "./driver.js";
drive({
  identify: (user) => analytics.identify(user, { plan: "pro" }),
  page: () => analytics.page("Shop"),
  track: (_, name) => analytics.track(name, props),
});
