import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's own commands against one broker, in one JVM because most of a command is its start: Commands BOOTSTRAP SCRIPT.
 * Each line of the script is a command; what it prints follows the line, and its exit code ends it.
 */
public class Commands {
    private static final String TOOLS = "org.apache.kafka.tools.";
    private static final Map<String, String> CLASSES = Map.ofEntries(
        Map.entry("topics", TOOLS + "TopicCommand"),
        Map.entry("configs", "kafka.admin.ConfigCommand"),
        Map.entry("get-offsets", TOOLS + "GetOffsetShell"),
        Map.entry("delete-records", TOOLS + "DeleteRecordsCommand"),
        Map.entry("log-dirs", TOOLS + "LogDirsCommand"),
        Map.entry("api-versions", TOOLS + "BrokerApiVersionsCommand"),
        Map.entry("leader-election", TOOLS + "LeaderElectionCommand"),
        Map.entry("reassign-partitions", TOOLS + "reassign.ReassignPartitionsCommand"),
        Map.entry("client-metrics", TOOLS + "ClientMetricsCommand"),
        Map.entry("transactions", TOOLS + "TransactionsCommand"),
        Map.entry("groups", TOOLS + "GroupsCommand"),
        Map.entry("cluster", TOOLS + "ClusterTool"),
        Map.entry("features", TOOLS + "FeatureCommand"),
        Map.entry("console-consumer", TOOLS + "consumer.ConsoleConsumer"),
        Map.entry("consumer-groups", TOOLS + "consumer.group.ConsumerGroupCommand"));
    private static final long JOIN_MS_MAX = 30_000;

    /** An Error, since commands catch exceptions. */
    private static class Exited extends Error {
        Exited() {
            super("exit");
        }
    }

    private static int code;
    private static String bootstrap;
    private static final Map<String, Member> members = new HashMap<>();

    public static void main(String[] args) throws Exception {
        Exit.Procedure exit = (status, message) -> {
            code = code == 0 ? status : code;
            throw new Exited();
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        bootstrap = args[0];
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
            long began = System.nanoTime();
            run(line.trim().split(" +"), capture);
            out.println("$ " + line.trim());
            out.print(said.toString(StandardCharsets.UTF_8));
            out.println("exit " + code);
            out.println("# " + (System.nanoTime() - began) / 1_000_000 + " ms");
            out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static void run(String[] words, PrintStream capture) {
        try {
            switch (words[0]) {
                case "produce" -> produce(words[1], Integer.parseInt(words[2]), Integer.parseInt(words[3]));
                case "commit" -> commit(words[1], words[2], Integer.parseInt(words[3]), Long.parseLong(words[4]));
                case "join" -> join(List.of(words).subList(1, words.length));
                case "remove" -> remove(words[1], words[2]);
                case "visit" -> visit(words[1], capture);
                // Kafka applies some changes after it has answered.
                case "pause" -> Thread.sleep(Integer.parseInt(words[1]) * 1000L);
                case "leave" -> members.remove(words[1]).leave();
                default -> tool(words);
            }
        } catch (InvocationTargetException failed) {
            if (!(failed.getCause() instanceof Exited)) {
                code = 1;
                capture.println(failed.getCause());
            }
        } catch (Exception failed) {
            code = 1;
            capture.println(failed);
        }
    }

    private static void tool(String[] words) throws Exception {
        List<String> given = new ArrayList<>();
        for (String word : List.of(words).subList(1, words.length)) {
            // A quoted nothing is an empty word.
            given.add(word.equals("''") ? "" : word);
        }
        // One tool wants it behind its subcommand, another before.
        given.addAll(words[0].equals("cluster") ? given.size() : 0, List.of("--bootstrap-server", bootstrap));
        Class.forName(CLASSES.get(words[0])).getMethod("main", String[].class)
            .invoke(null, (Object) given.toArray(new String[0]));
    }

    /** produce TOPIC PARTITION COUNT: records with the timestamps 1, 2, 3, …, one batch each. */
    private static void produce(String topic, int partition, int count) throws Exception {
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

    /** commit GROUP TOPIC PARTITION OFFSET: by a consumer that is no member. */
    private static void commit(String group, String topic, int partition, long offset) {
        TopicPartition place = new TopicPartition(topic, partition);
        try (KafkaConsumer<String, String> consumer = consumer(group, "committer", "classic", null)) {
            consumer.assign(List.of(place));
            consumer.commitSync(Map.of(place, new OffsetAndMetadata(offset)));
        }
    }

    /** join NAME GROUP PROTOCOL TOPIC|/PATTERN PARTITIONS [INSTANCE]: a member that stays, once it has so many partitions. */
    private static void join(List<String> words) throws Exception {
        String name = words.get(0);
        Member member = new Member(
            consumer(words.get(1), name, words.get(2), words.size() > 5 ? words.get(5) : null), words.get(3));
        members.put(name, member);
        member.start();
        member.wait(Integer.parseInt(words.get(4)));
    }

    /** visit GROUP: a member of the classic protocol that is told to come back with the id it is given, and does not. */
    private static void visit(String group, PrintStream capture) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        // JoinGroup, version 4.
        out.writeShort(11);
        out.writeShort(4);
        out.writeInt(1);
        string(out, "visitor");
        string(out, group);
        // The shortest session that there is.
        out.writeInt(6_000);
        out.writeInt(6_000);
        string(out, "");
        string(out, "consumer");
        out.writeInt(1);
        string(out, "range");
        out.writeInt(0);
        String[] address = bootstrap.split(":");
        try (Socket socket = new Socket(address[0], Integer.parseInt(address[1]))) {
            DataOutputStream to = new DataOutputStream(socket.getOutputStream());
            to.writeInt(bytes.size());
            to.write(bytes.toByteArray());
            DataInputStream from = new DataInputStream(socket.getInputStream());
            // Length, correlation and throttle time.
            from.skipNBytes(12);
            capture.println("error " + from.readShort());
        }
        // It is not expected any more.
        Thread.sleep(7_000);
    }

    private static void string(DataOutputStream out, String text) throws Exception {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        out.writeShort(bytes.length);
        out.write(bytes);
    }

    /** remove GROUP INSTANCE: a static member, as an operator does it. */
    private static void remove(String group, String instance) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            var members = List.of(new MemberToRemove(instance));
            admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions(members)).all().get();
        }
    }

    private static KafkaConsumer<String, String> consumer(String group, String name, String protocol, String instance) {
        Properties config = new Properties();
        config.put("bootstrap.servers", bootstrap);
        config.put("group.id", group);
        config.put("client.id", name);
        config.put("group.protocol", protocol);
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        if (instance != null) {
            config.put("group.instance.id", instance);
        }
        return new KafkaConsumer<>(config, new StringDeserializer(), new StringDeserializer());
    }

    /** Of a group, on a thread of its own; it commits what it has read of partitions that have records. */
    private static class Member extends Thread {
        private final KafkaConsumer<String, String> consumer;
        private final String topics;
        private volatile int assigned;
        private volatile boolean ends;
        private volatile RuntimeException failure;

        Member(KafkaConsumer<String, String> consumer, String topics) {
            this.consumer = consumer;
            this.topics = topics;
            setDaemon(true);
        }

        @Override
        public void run() {
            try (consumer) {
                if (!topics.startsWith("/")) {
                    consumer.subscribe(List.of(topics));
                } else if (consumer.groupMetadata().groupId().startsWith("re2")) {
                    consumer.subscribe(new org.apache.kafka.clients.consumer.SubscriptionPattern(topics.substring(1)));
                } else {
                    consumer.subscribe(Pattern.compile(topics.substring(1)));
                }
                while (!ends) {
                    if (!consumer.poll(Duration.ofMillis(100)).isEmpty()) {
                        consumer.commitSync();
                    }
                    assigned = consumer.assignment().size();
                }
            } catch (RuntimeException failed) {
                failure = failed;
            }
        }

        void wait(int partitions) throws Exception {
            long limit = System.currentTimeMillis() + JOIN_MS_MAX;
            while (assigned != partitions) {
                if (failure != null) {
                    throw failure;
                }
                if (System.currentTimeMillis() > limit) {
                    throw new IllegalStateException("has " + assigned + " partitions, not " + partitions);
                }
                Thread.sleep(20);
            }
            // It reads, and commits what there is.
            Thread.sleep(1500);
        }

        void leave() throws Exception {
            ends = true;
            join(JOIN_MS_MAX);
        }
    }
}
