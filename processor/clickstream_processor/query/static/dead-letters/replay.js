// A ClickReplay of what is chosen, as YAML.
const PLAIN = /^[a-z0-9][a-z0-9.-]*$/;
// Letters that are no clicks, or no whole ones: a replay leaves them out, and says so.
const NEVER = new Set(["profile-refused", "too-old", "rejected", "oversized", "unknown"]);

const quoted = (text) => (PLAIN.test(text) && !/^[0-9.-]+$/.test(text) ? text : JSON.stringify(text));
const time = (ms) => JSON.stringify(new Date(ms).toISOString());

export function replayName(reasons, nowMs) {
  const what = reasons.length === 1 && PLAIN.test(reasons[0]) ? reasons[0].replaceAll(".", "-").slice(0, 30) : "letters";
  return `replay-${what}-${new Date(nowMs).toISOString().slice(0, 16).replace(/[-:]/g, "").replace("T", "-")}`;
}

// `chosen`: { reasons, from, to, partition }; `pipeline`: { name, namespace } or null.
export function replayYaml(chosen, pipeline, nowMs) {
  const lines = [
    "apiVersion: clickstream.dev/v1alpha1",
    "kind: ClickReplay",
    "metadata:",
    `  name: ${replayName(chosen.reasons, nowMs)}`,
    ...(pipeline ? [`  namespace: ${quoted(pipeline.namespace)}`] : []),
    "spec:",
    `  pipeline: ${pipeline ? quoted(pipeline.name) : "NAME"}`,
  ];
  if (chosen.reasons.length) lines.push(`  reasons: [${chosen.reasons.map(quoted).join(", ")}]`);
  if (chosen.from !== null) lines.push(`  from: ${time(chosen.from)}`);
  if (chosen.to !== null) lines.push(`  to: ${time(chosen.to)}`);
  if (chosen.partition !== null) lines.push(`  sources: [${chosen.partition}]`);
  lines.push("  dryRun: true");
  return `${lines.join("\n")}\n`;
}

export function replayNote(chosen) {
  const none = chosen.reasons.filter((reason) => NEVER.has(reason));
  const words = [];
  if (chosen.source) words.push("A replay cannot choose who wrote a letter: it takes those of pods and collectors alike.");
  if (none.length) words.push(`It leaves out ${none.join(", ")}: these are no whole clicks.`);
  if (chosen.reasons.includes("late")) words.push("Late clicks are enriched already: they are left out unless you add late: enrich.");
  words.push("To change fields on the way, add set: with CEL. Letters that are cut, of the sink, or of profiles are never sent.");
  return words.join(" ");
}
