// docs
import posthog from "posthog-js";
posthog.init("wk-4f1c", { api_host: "https://collect.example.com" });
// end
import { drive, props } from "./driver.js";
drive({
  identify: (user) => posthog.identify(user, { plan: "pro" }),
  page: () => posthog.capture("$pageview"),
  track: (_, name, at) => posthog.capture(name, props, { timestamp: new Date(at) }),
});
