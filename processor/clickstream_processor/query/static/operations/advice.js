// What to do where most clicks are on a wrong partition, or under a wrong key; the operator's condition ClicksTaken says the same.
const BY_KEY = ["wrong-partition", "null-key", "key-mismatch"];
const FEW = 20; // of so few letters nothing follows

// The reason of most clicks that are refused now; null where most are taken.
function refused({ rates, totals }) {
  const letters = BY_KEY.map((reason) => totals.dead_letters[reason] ?? 0);
  const number = letters.reduce((sum, each) => sum + each, 0);
  if (number < FEW || 2 * number <= totals.dead_lettered || 2 * rates.dead_lettered <= rates.clicks) return null;
  return BY_KEY[letters.indexOf(Math.max(...letters))];
}

export function advice(summary) {
  const reason = refused(summary);
  if (!reason) return "";
  return `Most clicks become dead letters (${reason}). Either let the producers set the key to user_id and use Kafka's murmur2 ` +
    "partitioner: partitioner=murmur2_random for librdkafka (Python, Go, .NET, PHP), Partitioners.DefaultPartitioner for kafkajs. " +
    "Or make a new pipeline with topics.partitioner: any, which takes any key and partitioner. docs/how-to/send-clicks.md has both.";
}
