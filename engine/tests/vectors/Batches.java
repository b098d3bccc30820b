// Makes the batches of the Java client that the tests in engine/tests/batches.rs read; the records are make.py's.
//     java -cp 'kafka-clients.jar:lz4-java.jar:snappy-java.jar:zstd-jni.jar:slf4j-api.jar' Batches.java DIRECTORY
// MemoryRecordsBuilder is what its producer fills; the package is that of kafka-clients 4.3.
import java.nio.ByteBuffer;
import java.nio.file.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;

public class Batches {
    static byte[] key(int i) {
        return i % 3 == 0 ? null : ("key-" + i).getBytes();
    }

    static byte[] value(int i, int repeats) {
        return i % 5 == 2 ? null : ("value-" + i + " " + "abc".repeat(i * repeats)).getBytes();
    }

    static Header[] headers(int i) {
        if (i % 2 != 0) return new Header[0];
        return new Header[] {new RecordHeader("even", ("" + i).getBytes()), new RecordHeader("empty", new byte[0])};
    }

    public static void main(String[] args) throws Exception {
        Compression[] all = {
            Compression.NONE, Compression.gzip().build(), Compression.snappy().build(), Compression.lz4().build(),
            Compression.zstd().build()
        };
        for (Compression compression : all) {
            MemoryRecordsBuilder builder = MemoryRecords.builder(
                ByteBuffer.allocate(1 << 20), (byte) 2, compression, TimestampType.CREATE_TIME, 0L, -1L, 4711L, (short) 3, 17);
            int repeats = compression == Compression.NONE ? 5 : 500;
            for (int i = 0; i < 10; i++) {
                builder.append(1_700_000_000_000L + i * 10, key(i), value(i, repeats), headers(i));
            }
            ByteBuffer buffer = builder.build().buffer();
            byte[] bytes = new byte[buffer.remaining()];
            buffer.get(bytes);
            Files.write(Path.of(args[0], "java-" + compression.type().name + ".batch"), bytes);
            System.out.println(compression.type().name + ": " + bytes.length + " bytes");
        }
    }
}
