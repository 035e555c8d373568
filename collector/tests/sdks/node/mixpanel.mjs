// docs
import Mixpanel from "mixpanel";
const mixpanel = Mixpanel.init("wk-4f1c", { host: "collect.example.com", protocol: "https" });
// end
import { drive, page, props } from "./driver.mjs";
drive({
  identify: (user) => mixpanel.people.set(user, { plan: "pro" }),
  page: (user) => mixpanel.track("$mp_web_page_view", { distinct_id: user, current_url: page }),
  track: (user, name, at) => mixpanel.track(name, { distinct_id: user, current_url: page, time: at, ...props }),
});
