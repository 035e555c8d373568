// docs
import { newTracker, setUserId, trackPageView, trackSelfDescribingEvent } from "@snowplow/browser-tracker";
newTracker("shop", "https://collect.example.com", { appId: "wk-4f1c" });
// end
import { drive, props } from "./driver.js";
const named = (name) => ({ schema: `iglu:com.example/${name}/jsonschema/1-0-0`, data: props });
drive({
  identify: (user) => setUserId(user),
  page: () => trackPageView(),
  track: (user, name, at) => {
    setUserId(user);
    trackSelfDescribingEvent({ event: named(name), timestamp: { type: "ttm", value: at } });
  },
});
