// docs
import { Analytics } from "@segment/analytics-node";
const analytics = new Analytics({ writeKey: "wk-4f1c", host: "https://collect.example.com" });
// end
import { drive, page, props } from "./driver.mjs";
const context = { page: { url: page } };
drive({
  identify: (userId, anonymousId) => analytics.identify({ userId, anonymousId, traits: { plan: "pro" }, context }),
  page: (userId) => analytics.page({ userId, name: "Shop", context }),
  track: (userId, event, at) => analytics.track({ userId, event, properties: props, context, timestamp: new Date(at) }),
  flush: () => analytics.flush(),
});
