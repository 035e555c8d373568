// docs
import { jitsuAnalytics } from "@jitsu/js";
const analytics = jitsuAnalytics({ host: "https://collect.example.com", writeKey: "jk:secret", s2s: true });
// end
import { drive, page, props } from "./driver.mjs";
drive({
  identify: (user) => analytics.identify(user, { plan: "pro" }),
  page: () => analytics.page("Shop", { url: page }),
  track: (_, name) => analytics.track(name, { ...props, url: page }),
});
