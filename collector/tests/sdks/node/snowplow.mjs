// docs
import { newTracker, buildPageView, buildSelfDescribingEvent } from "@snowplow/node-tracker";
const tracker = newTracker({ namespace: "shop", appId: "wk-4f1c" }, { endpoint: "collect.example.com", protocol: "https" });
// end
import { drive, page, props } from "./driver.mjs";
const named = (name) => ({ event: { schema: `iglu:com.example/${name}/jsonschema/1-0-0`, data: props } });
drive({
  identify: () => {},
  page: (user) => { tracker.setUserId(user); tracker.track(buildPageView({ pageUrl: page, pageTitle: "Mug" })); },
  track: (user, name, at) => {
    tracker.setUserId(user);
    tracker.track(buildSelfDescribingEvent(named(name)), [], { type: "ttm", value: at });
  },
  flush: () => tracker.flush(),
});
