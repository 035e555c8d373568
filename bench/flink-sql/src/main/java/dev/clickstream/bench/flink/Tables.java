package dev.clickstream.bench.flink;

/** The four topics as tables, by the names clicks, profiles, enriched and metrics. */
record Tables(String bootstrap, String run) {

    String clicks(String topic) {
        return "CREATE TEMPORARY TABLE clicks ("
                + "user_id STRING, page_url STRING, action STRING, `timestamp` BIGINT,"
                + " `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL,"
                + " proc_time AS PROCTIME(), event_time AS TO_TIMESTAMP_LTZ(`timestamp`, 3)"
                + ") WITH ('connector' = 'kafka', 'topic' = '" + topic + "', 'scan.startup.mode' = 'earliest-offset',"
                + source() + ", 'format' = 'json')";
    }

    String profiles(String topic) {
        return "CREATE TEMPORARY TABLE profiles ("
                + "user_id STRING, name STRING, email STRING, country STRING, plan_tier STRING,"
                + " `partition` INT METADATA VIRTUAL, `offset` BIGINT METADATA VIRTUAL, proc_time AS PROCTIME(),"
                + " PRIMARY KEY (user_id) NOT ENFORCED"
                + ") WITH ('connector' = 'upsert-kafka', 'topic' = '" + topic + "'," + source()
                + ", 'key.format' = 'raw', 'value.format' = 'json', 'value.fields-include' = 'ALL')";
    }

    String enriched(String topic) {
        return "CREATE TEMPORARY TABLE enriched ("
                + "event_id STRING, user_id STRING, user_name STRING, country STRING, plan_tier STRING,"
                + " page_url STRING, action STRING, `timestamp` BIGINT,"
                + " event_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'"
                + ") WITH ('connector' = 'kafka', 'topic' = '" + topic + "'," + sink("enriched")
                + ", 'key.fields' = 'user_id', 'key.format' = 'raw', 'value.format' = 'json',"
                + " 'value.fields-include' = 'ALL')";
    }

    String metrics(String topic) {
        return "CREATE TEMPORARY TABLE metrics ("
                + "user_id STRING, window_start BIGINT, window_end BIGINT, clicks BIGINT,"
                + " PRIMARY KEY (user_id, window_start) NOT ENFORCED"
                + ") WITH ('connector' = 'upsert-kafka', 'topic' = '" + topic + "'," + sink("metrics")
                + ", 'key.format' = 'json', 'value.format' = 'json', 'value.fields-include' = 'ALL')";
    }

    private String source() {
        return " 'properties.bootstrap.servers' = '" + bootstrap + "', 'properties.group.id' = '" + run + "',"
                + " 'properties.isolation.level' = 'read_committed', 'properties.max.poll.records' = '5000'";
    }

    /** Exactly once. Batches wait as long as Kafka Streams' do; the broker's longest transaction is 15 minutes. */
    private String sink(String output) {
        return " 'properties.bootstrap.servers' = '" + bootstrap + "', 'sink.delivery-guarantee' = 'exactly-once',"
                + " 'sink.transactional-id-prefix' = '" + run + "-" + output + "',"
                + " 'properties.transaction.timeout.ms' = '600000',"
                + " 'properties.linger.ms' = '100', 'properties.batch.size' = '131072'";
    }
}
