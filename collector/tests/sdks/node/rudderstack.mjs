// docs
import sdk from "@rudderstack/rudder-sdk-node";
const Analytics = sdk.default ?? sdk;
const analytics = new Analytics("wk-4f1c", { dataPlaneUrl: "https://collect.example.com" });
// end
import { drive, page, props } from "./driver.mjs";
const context = { page: { url: page } };
drive({
  identify: (userId, anonymousId) => analytics.identify({ userId, anonymousId, traits: { plan: "pro" }, context }),
  page: (userId) => analytics.page({ userId, name: "Shop", context }),
  track: (userId, event, at) => analytics.track({ userId, event, properties: props, context, timestamp: new Date(at) }),
  flush: () => analytics.flush(),
});
