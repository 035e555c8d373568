package dev.clickstream.bench;

/**
 * HyperLogLog in a byte array: 4096 registers, as many as the pods' sketch has. The stored form is the array itself, so
 * reading and writing it costs a copy.
 */
final class Registers {
    private static final int LG = 12;

    private Registers() {}

    static byte[] none() {
        return new byte[1 << LG];
    }

    /** Adds a text to registers that nobody else has. */
    static byte[] add(byte[] registers, String text) {
        long hash = hash(text);
        int place = (int) (hash >>> (64 - LG));
        byte rank = (byte) (Long.numberOfLeadingZeros(hash << LG | 1L << (LG - 1)) + 1);
        if (rank > registers[place]) {
            registers[place] = rank;
        }
        return registers;
    }

    /** FNV-1a over the characters, then the finisher of MurmurHash3. */
    private static long hash(String text) {
        long hash = 0xcbf29ce484222325L;
        for (int at = 0; at < text.length(); at++) {
            hash = (hash ^ text.charAt(at)) * 0x100000001b3L;
        }
        hash = (hash ^ hash >>> 33) * 0xff51afd7ed558ccdL;
        hash = (hash ^ hash >>> 33) * 0xc4ceb9fe1a85ec53L;
        return hash ^ hash >>> 33;
    }
}
