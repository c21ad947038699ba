package pointsman.clients;

import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.zip.CRC32;

/** Checks with a reason, and one line per feature: the twin of pylib/suite.py. */
final class Suite {
    static final int MIB = 1024 * 1024;
    /** As in pylib/suite.py: statements and rows around the border of one packet. */
    static final int[] EDGE_TEXT = {0xffffff - 2, 0xffffff - 1, 0xffffff};
    static final int[] EDGE_ROW = {0xffffff - 5, 0xffffff - 4, 0xffffff - 3, 0x1000000};
    private static final int SECONDS = 120;

    interface Body {
        String call() throws Exception;
    }

    interface Action {
        void call() throws Exception;
    }

    static final class Mismatch extends RuntimeException {
        Mismatch(String text) {
            super(text);
        }
    }

    static final class Skip extends RuntimeException {
        Skip(String text) {
            super(text);
        }
    }

    private record Feature(String name, Body body) {}

    private final String client;
    private final List<Feature> features = new ArrayList<>();

    Suite(String client) {
        this.client = client;
    }

    static String setting(String name, String fallback) {
        String value = System.getenv("PM_" + name);
        return value == null || value.isEmpty() ? fallback : value;
    }

    static String shared(String name, String table) throws Exception {
        return Files.readString(Path.of(setting("SHARED", "../shared"), name)).trim().replace("{t}", table);
    }

    static String brief(Object value) {
        if (value instanceof byte[] bytes) {
            return bytes.length + " bytes " + Arrays.toString(Arrays.copyOf(bytes, Math.min(bytes.length, 20)));
        }
        String text = String.valueOf(value);
        return text.length() > 200 ? text.substring(0, 200) + "… (" + text.length() + " characters)" : text;
    }

    static void eq(String what, Object want, Object got) {
        if (!Objects.deepEquals(want, got)) {
            throw new Mismatch(what + ": expected " + brief(want) + ", got " + brief(got));
        }
    }

    static void ok(String what, boolean holds, Object got) {
        if (!holds) {
            throw new Mismatch(what + ": does not hold, got " + brief(got));
        }
    }

    static SQLException fails(String what, List<Integer> codes, Action action) throws Exception {
        try {
            action.call();
        } catch (SQLException error) {
            if (codes.contains(error.getErrorCode())) {
                return error;
            }
            throw new Mismatch(what + ": expected error " + codes + ", got " + error.getErrorCode() + " " + error.getSQLState() + " " + error.getMessage());
        }
        throw new Mismatch(what + ": expected error " + codes + ", got none");
    }

    static byte[] pattern(int size, int seed) {
        byte[] out = new byte[size];
        for (int at = 0; at < size; at++) {
            out[at] = (byte) (at % 4096 * 7 + seed);
        }
        for (int at = 0; at < size - 8; at += 65536) {
            out[at] = (byte) (at >> 16);
        }
        return out;
    }

    static String letters(int size) {
        StringBuilder out = new StringBuilder(size + 16);
        for (int n = 0; out.length() < size; n++) {
            String digits = String.valueOf(n);
            out.append("0".repeat(8 - digits.length())).append(digits).append("abcdefgh");
        }
        out.setLength(size);
        return out.toString();
    }

    /** Feeds on rows of shared/big.sql. */
    static final class Big {
        private final CRC32 one = new CRC32();
        private long count;
        private long sum;
        private long crc;

        void row(long n, String payload) {
            count++;
            sum += n;
            one.reset();
            one.update((n + ":" + payload).getBytes());
            crc += one.getValue();
        }

        void check() {
            eq("rows, sum, checksum of the big result", List.of(200000L, 19999900000L, 429438619651349L), List.of(count, sum, crc));
        }
    }

    void feature(String name, Body body) {
        features.add(new Feature(name, body));
    }

    void hasNot(String name, String why) {
        feature(name, () -> {
            throw new Skip(why);
        });
    }

    private boolean runOne(ExecutorService executor, Feature feature) {
        long began = System.nanoTime();
        Future<String> future = executor.submit(feature.body()::call);
        String line;
        boolean good = true;
        try {
            String note = future.get(SECONDS, TimeUnit.SECONDS);
            line = "ok " + client + " " + feature.name() + " " + (System.nanoTime() - began) / 1_000_000 + "ms" + (note == null ? "" : " (" + note + ")");
        } catch (TimeoutException late) {
            good = false;
            line = "FAIL " + client + " " + feature.name() + " no end after " + SECONDS + " s";
        } catch (Exception wrapped) {
            Throwable error = wrapped.getCause() == null ? wrapped : wrapped.getCause();
            if (error instanceof Skip) {
                line = "skip " + client + " " + feature.name() + " " + error.getMessage();
            } else {
                good = false;
                String kind = error instanceof Mismatch ? "" : error.getClass().getSimpleName() + ": ";
                String text = (kind + error.getMessage()).replaceAll("\\s+", " ");
                line = "FAIL " + client + " " + feature.name() + " " + text.substring(0, Math.min(600, text.length()))
                        + " [" + (System.nanoTime() - began) / 1_000_000 + "ms]";
                if (System.getenv("PM_VERBOSE") != null) {
                    error.printStackTrace();
                }
            }
        }
        System.out.println(line);
        return good;
    }

    void run() {
        List<String> only = Arrays.asList(setting("FEATURES", "").split(","));
        boolean good = true;
        ExecutorService executor = Executors.newCachedThreadPool();
        for (Feature feature : features) {
            if (only.equals(List.of("")) || only.contains(feature.name())) {
                good &= runOne(executor, feature);
            }
        }
        System.exit(good ? 0 : 1);
    }
}
