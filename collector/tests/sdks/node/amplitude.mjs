// docs
import { init, track, identify, Identify, flush } from "@amplitude/analytics-node";
init("wk-4f1c", { serverUrl: "https://collect.example.com/2/httpapi" });
// end
import { drive, page, props } from "./driver.mjs";
const address = { "[Amplitude] Page Location": page };
drive({
  identify: (user_id, device_id) => identify(new Identify().set("plan", "pro"), { user_id, device_id }).promise,
  page: (user_id) => track("[Amplitude] Page Viewed", address, { user_id }).promise,
  track: (user_id, name, time) => track(name, { ...props, ...address }, { user_id, time }).promise,
  flush: () => flush().promise,
});
