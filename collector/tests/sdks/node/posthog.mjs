// docs
import { PostHog } from "posthog-node";
const posthog = new PostHog("wk-4f1c", { host: "https://collect.example.com" });
// end
import { drive, page, props } from "./driver.mjs";
drive({
  identify: (distinctId) => posthog.identify({ distinctId, properties: { plan: "pro" } }),
  page: (distinctId) => posthog.capture({ distinctId, event: "$pageview", properties: { $current_url: page } }),
  track: (distinctId, event, at) =>
    posthog.capture({ distinctId, event, properties: { ...props, $current_url: page }, timestamp: new Date(at) }),
  flush: () => posthog.flush(),
});
