// docs
import mixpanel from "mixpanel-browser";
mixpanel.init("wk-4f1c", { api_host: "https://collect.example.com", persistence: "localStorage" });
// end
import { drive, props } from "./driver.js";
drive({
  identify: (user) => mixpanel.identify(user),
  page: () => mixpanel.track_pageview(),
  track: (_, name, at) => mixpanel.track(name, { ...props, time: at / 1000 }),
});
