import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's own commands against one broker, in one JVM because most of a command is its start: Commands BOOTSTRAP SCRIPT.
 * Each line of the script is a command; what it prints follows the line, and its exit code ends it.
 */
public class Commands {
    private static final Map<String, String> CLASSES = Map.of(
        "topics", "org.apache.kafka.tools.TopicCommand",
        "configs", "kafka.admin.ConfigCommand",
        "get-offsets", "org.apache.kafka.tools.GetOffsetShell",
        "delete-records", "org.apache.kafka.tools.DeleteRecordsCommand",
        "log-dirs", "org.apache.kafka.tools.LogDirsCommand",
        "api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand",
        "leader-election", "org.apache.kafka.tools.LeaderElectionCommand",
        "reassign-partitions", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
        "client-metrics", "org.apache.kafka.tools.ClientMetricsCommand",
        "transactions", "org.apache.kafka.tools.TransactionsCommand");

    /** An Error, since commands catch exceptions. */
    private static class Exited extends Error {
        Exited() {
            super("exit");
        }
    }

    private static int code;

    public static void main(String[] args) throws Exception {
        Exit.Procedure exit = (status, message) -> {
            code = code == 0 ? status : code;
            throw new Exited();
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        PrintStream out = System.out;
        // One stream for all commands: some remember the first that they see.
        ByteArrayOutputStream said = new ByteArrayOutputStream();
        PrintStream capture = new PrintStream(said, true, StandardCharsets.UTF_8);
        System.setOut(capture);
        System.setErr(capture);
        for (String line : Files.readAllLines(Path.of(args[1]))) {
            if (line.isBlank() || line.startsWith("#")) {
                continue;
            }
            said.reset();
            code = 0;
            run(args[0], line.trim().split(" +"), capture);
            out.println("$ " + line.trim());
            out.print(said.toString(StandardCharsets.UTF_8));
            out.println("exit " + code);
        }
        out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static void run(String bootstrap, String[] words, PrintStream capture) throws Exception {
        if (words[0].equals("produce")) {
            produce(bootstrap, words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3]));
            return;
        }
        List<String> given = new ArrayList<>(List.of("--bootstrap-server", bootstrap));
        for (String word : List.of(words).subList(1, words.length)) {
            // A quoted nothing is an empty word.
            given.add(word.equals("''") ? "" : word);
        }
        try {
            Class.forName(CLASSES.get(words[0])).getMethod("main", String[].class)
                .invoke(null, (Object) given.toArray(new String[0]));
        } catch (InvocationTargetException failed) {
            if (!(failed.getCause() instanceof Exited)) {
                code = 1;
                capture.println(failed.getCause());
            }
        }
    }

    /** produce TOPIC PARTITION COUNT: records with the timestamps 1, 2, 3, …, one batch each. */
    private static void produce(String bootstrap, String topic, int partition, int count) throws Exception {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("batch.size", "0");
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(config, new StringSerializer(), new StringSerializer())) {
            for (long number = 1; number <= count; number++) {
                producer.send(new ProducerRecord<>(topic, partition, number, "key", "value " + number)).get();
            }
        }
    }
}
