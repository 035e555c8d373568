package dev.clickstream.bench;

import java.util.Map;
import java.util.Properties;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Cache;
import org.rocksdb.Filter;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.RocksDB;
import org.rocksdb.WriteBufferManager;

/**
 * What Kafka Streams' guides on memory and RocksDB advise for larger state: one block cache and one budget of write
 * buffers for all stores, index and filter blocks in that cache, bloom filters, and a larger cache of records.
 *
 * <p>A store is made and closed by the stream thread and its updater; what the stores share lives as long as the JVM.
 */
public final class TunedRocks implements RocksDBConfigSetter {
    private static final long RECORD_CACHE_BYTES = 128L << 20;
    private static final long BLOCK_CACHE_BYTES = 256L << 20;
    private static final long WRITE_BUFFERS_BYTES = 96L << 20; // of the block cache
    private static final double INDEX_SHARE = 0.1; // of the block cache, kept when blocks of data are evicted
    private static final Cache CACHE;
    private static final WriteBufferManager BUFFERS;
    private static final Filter BLOOM;

    static {
        RocksDB.loadLibrary(); // this class is used before the first store
        CACHE = new LRUCache(BLOCK_CACHE_BYTES, -1, false, INDEX_SHARE);
        BUFFERS = new WriteBufferManager(WRITE_BUFFERS_BYTES, CACHE);
        BLOOM = new BloomFilter();
    }

    /** Makes an application's settings those of the tuned run. */
    static void tune(Properties config) {
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, RECORD_CACHE_BYTES);
        config.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, TunedRocks.class);
    }

    @Override
    public void setConfig(String store, Options options, Map<String, Object> config) {
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(CACHE);
        table.setCacheIndexAndFilterBlocks(true);
        table.setCacheIndexAndFilterBlocksWithHighPriority(true);
        table.setPinTopLevelIndexAndFilter(true);
        table.setFilterPolicy(BLOOM);
        table.setWholeKeyFiltering(true);
        options.setWriteBufferManager(BUFFERS);
        options.setTableFormatConfig(table);
    }

    @Override
    public void close(String store, Options options) {
        // Cache, budget and filter are of all stores.
    }
}
