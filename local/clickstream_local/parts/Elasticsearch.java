import org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner;

/** One Elasticsearch node. Run: java -cp 'jars/*' Elasticsearch.java DATA-FOLDER HTTP-PORT TRANSPORT-PORT [ADDRESS] */
public class Elasticsearch {
    public static void main(String[] arguments) throws Exception {
        ElasticsearchClusterRunner runner = new ElasticsearchClusterRunner();
        runner.onBuild((number, settings) -> {
            // The runner's own list lacks the ingest role, and bulk requests need it.
            settings.putList("node.roles", "master", "data", "ingest");
            settings.put("network.host", arguments.length > 3 ? arguments[3] : "127.0.0.1");
            settings.put("http.port", arguments[1]);
            settings.put("transport.port", arguments[2]);
            settings.put("discovery.type", "single-node");
            settings.put("cluster.routing.allocation.disk.threshold_enabled", false);
            settings.put("action.auto_create_index", "true");
            settings.remove("discovery.seed_hosts");
            settings.remove("cluster.initial_master_nodes");
        }).build(ElasticsearchClusterRunner.newConfigs().basePath(arguments[0]).numOfNode(1));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception ignored) {
                // It ends anyway.
            }
        }));
        Thread.currentThread().join();
    }
}
