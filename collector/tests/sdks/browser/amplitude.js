// docs
import { init, setUserId, identify, Identify, track } from "@amplitude/analytics-browser";
init("wk-4f1c", { serverUrl: "https://collect.example.com/2/httpapi", autocapture: false });
// end
import { drive, props } from "./driver.js";
const address = { "[Amplitude] Page Location": location.href };
drive({
  identify: (user) => { setUserId(user); identify(new Identify().set("plan", "pro")); },
  page: () => track("[Amplitude] Page Viewed", address),
  track: (user, name, time) => { setUserId(user); track(name, { ...props, ...address }, { time }); },
});
