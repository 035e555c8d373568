package dev.clickstream.bench.flink;

import static org.apache.flink.table.api.Expressions.$;

import java.nio.file.Path;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * The pipeline in Flink SQL: a click looks up the profile its user has at that moment, filter, counts of five minutes.
 *
 * <p>Arguments: bootstrap servers, name of the run, folder of the state, topics of clicks, profiles, enriched clicks and
 * metrics. Runs until it is stopped. JobManager and TaskManager are one process, with one slot.
 */
public final class FlinkSql {
    /** What differs from Flink's defaults, as somebody sets it who wants throughput, exactly once, in 2 GiB. */
    private static final Map<String, String> SETTINGS = Map.ofEntries(
            Map.entry("parallelism.default", "1"),
            Map.entry("pipeline.max-parallelism", "128"),
            Map.entry("pipeline.object-reuse", "true"),
            // Beside a heap of 1 GiB; RocksDB's caches and write buffers are in the managed memory.
            Map.entry("taskmanager.memory.managed.size", "512m"),
            Map.entry("taskmanager.memory.network.min", "64m"),
            Map.entry("taskmanager.memory.network.max", "64m"),
            Map.entry("state.backend.type", "rocksdb"),
            Map.entry("execution.checkpointing.mode", "EXACTLY_ONCE"),
            Map.entry("execution.checkpointing.interval", "1s"), // output is visible once a checkpoint
            Map.entry("execution.checkpointing.min-pause", "200ms"), // else a late one is followed at once by those due
            Map.entry("execution.checkpointing.incremental", "true"),
            Map.entry("execution.checkpointing.storage", "filesystem"),
            Map.entry("execution.checkpointing.tolerable-failed-checkpoints", "100"),
            Map.entry("restart-strategy.type", "disable"), // a failure ends the run: it is no figure
            Map.entry("table.local-time-zone", "UTC"),
            Map.entry("table.exec.mini-batch.enabled", "true"),
            Map.entry("table.exec.mini-batch.allow-latency", "500ms"),
            Map.entry("table.exec.mini-batch.size", "20000"),
            Map.entry("table.exec.sink.upsert-materialize", "NONE"),
            Map.entry("table.optimizer.reuse-optimize-block-with-digest-enabled", "true"), // one join for both outputs
            // Patience on a busy machine; costs nothing.
            Map.entry("pekko.ask.timeout", "120s"),
            Map.entry("heartbeat.timeout", "180000ms"));

    private FlinkSql() {}

    public static void main(String[] arguments) {
        String bootstrap = arguments[0], run = arguments[1], clicks = arguments[3], profiles = arguments[4];
        Path folder = Path.of(arguments[2]).toAbsolutePath();
        Configuration settings = Configuration.fromMap(SETTINGS);
        settings.setString("execution.checkpointing.dir", folder.resolve("checkpoints").toUri().toString());
        settings.setString("state.backend.rocksdb.localdir", folder.resolve("rocksdb").toString());
        settings.setString("io.tmp.dirs", folder.resolve("tmp").toString());

        StreamTableEnvironment tables =
                StreamTableEnvironment.create(StreamExecutionEnvironment.createLocalEnvironment(1, settings));
        tables.createTemporarySystemFunction("has_passed", ProfilesFirst.HasPassed.class);
        tables.createTemporarySystemFunction("after_profiles", new ProfilesFirst.After(bootstrap, profiles));
        Tables given = new Tables(bootstrap, run);
        tables.executeSql(given.clicks(clicks));
        tables.executeSql(given.profiles(profiles));
        tables.executeSql(given.enriched(arguments[5]));
        tables.executeSql(given.metrics(arguments[6]));

        // A look-up of the newest profile for each click: neither side waits for the other's time.
        tables.createTemporarySystemFunction(
                "profile_at",
                tables.sqlQuery("SELECT user_id, name, country, plan_tier, proc_time FROM profiles"
                                + " WHERE has_passed(`partition`, `offset`)")
                        .createTemporalTableFunction($("proc_time"), $("user_id")));
        tables.createTemporaryView("joined", tables.sqlQuery("SELECT"
                + " '" + clicks + "-' || CAST(c.`partition` AS STRING) || '-' || CAST(c.`offset` AS STRING) AS event_id,"
                + " c.user_id, p.name AS user_name, p.country, p.plan_tier, c.page_url, c.action, c.`timestamp`,"
                + " c.event_time FROM clicks AS c, LATERAL TABLE(profile_at(c.proc_time)) AS p"
                // A condition on a column that is no key of the join, or the profiles would wait for themselves.
                + " WHERE c.user_id = p.user_id AND after_profiles(c.action) AND c.action <> 'heartbeat'"));
        StatementSet outputs = tables.createStatementSet();
        outputs.addInsertSql("INSERT INTO enriched SELECT event_id, user_id, user_name, country, plan_tier, page_url,"
                + " action, `timestamp`, CAST(event_time AS TIMESTAMP_LTZ(3)) FROM joined");
        outputs.addInsertSql("INSERT INTO metrics SELECT /*+ STATE_TTL('w'='1h') */ user_id, window_start,"
                + " window_start + 300000, COUNT(*) FROM (SELECT user_id,"
                + " `timestamp` - MOD(`timestamp`, 300000) AS window_start FROM joined) AS w"
                + " GROUP BY user_id, window_start");
        try {
            outputs.execute().await();
        } catch (Exception error) {
            error.printStackTrace();
            System.exit(1);
        }
    }
}
