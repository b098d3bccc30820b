import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a group by Kafka's own client: see members.py. */
public class Member {
    private static JsonNode settings;
    private static KafkaConsumer<byte[], byte[]> consumer;
    /** The offset after the last one read, where that is not committed in the callback yet. */
    private static final Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
    private static volatile boolean stopping;

    public static void main(String[] args) throws Exception {
        settings = new ObjectMapper().readTree(args[1]);
        String commit = text("commit");
        consumer = new KafkaConsumer<>(properties(args[0]), new ByteArrayDeserializer(), new ByteArrayDeserializer());
        Thread listening = new Thread(Member::listen);
        listening.setDaemon(true);
        listening.start();
        subscribe(text("topic"));
        try {
            while (!stopping) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    say("record", "\"partition\":" + record.partition() + ",\"offset\":" + record.offset());
                    positions.put(
                        new TopicPartition(record.topic(), record.partition()),
                        new OffsetAndMetadata(record.offset() + 1));
                }
                if (commit.equals("sync")) {
                    consumer.commitSync(positions);
                } else if (commit.equals("async")) {
                    consumer.commitAsync(positions, null);
                }
            }
        } catch (KafkaException fatal) {
            positions.clear();
            say("error", "\"name\":\"" + fatal.getClass().getSimpleName() + "\"");
        }
        consumer.close();
        say("closed", null);
        System.exit(0);
    }

    private static Properties properties(String bootstrap) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("group.id", text("group"));
        properties.put("group.protocol", text("protocol"));
        properties.put("auto.offset.reset", "earliest");
        properties.put("enable.auto.commit", Boolean.toString(text("commit").equals("auto")));
        properties.put("auto.commit.interval.ms", "200");
        properties.put("fetch.max.wait.ms", "100");
        properties.put("metadata.max.age.ms", "1000");
        if (text("protocol").equals("classic")) {
            properties.put("partition.assignment.strategy", assignor(text("assignor")));
            properties.put("session.timeout.ms", text("session_ms"));
            properties.put("heartbeat.interval.ms", "500");
        }
        if (!settings.get("instance").isNull()) {
            properties.put("group.instance.id", text("instance"));
        }
        return properties;
    }

    private static String assignor(String name) {
        String package_ = "org.apache.kafka.clients.consumer.";
        return switch (name) {
            case "range" -> package_ + "RangeAssignor";
            case "roundrobin" -> package_ + "RoundRobinAssignor";
            case "cooperative-sticky" -> package_ + "CooperativeStickyAssignor";
            default -> throw new IllegalArgumentException(name);
        };
    }

    private static void subscribe(String topic) {
        ConsumerRebalanceListener listener = new Listener();
        if (!topic.startsWith("^")) {
            consumer.subscribe(List.of(topic), listener);
        } else if (text("protocol").equals("consumer")) {
            // The broker's to match, by RE2's rules.
            consumer.subscribe(new SubscriptionPattern(topic), listener);
        } else {
            consumer.subscribe(Pattern.compile(topic), listener);
        }
    }

    private static class Listener implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            say("assigned", numbers(partitions));
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            Map<TopicPartition, OffsetAndMetadata> owned = new HashMap<>(positions);
            owned.keySet().retainAll(partitions);
            positions.keySet().removeAll(partitions);
            if (!owned.isEmpty() && !text("commit").equals("auto")) {
                consumer.commitSync(owned);
            }
            say("revoked", numbers(partitions));
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            positions.keySet().removeAll(partitions);
            say("lost", numbers(partitions));
        }
    }

    private static void listen() {
        try {
            new BufferedReader(new InputStreamReader(System.in)).readLine();
        } catch (java.io.IOException closed) {
            // As good as a line.
        }
        stopping = true;
    }

    private static String numbers(Collection<TopicPartition> partitions) {
        return "\"partitions\":" + partitions.stream().map(TopicPartition::partition).sorted().toList();
    }

    private static String text(String name) {
        return settings.get(name).asText();
    }

    /** With the machine's monotonic clock, which Python's is too. */
    private static synchronized void say(String event, String facts) {
        System.out.println("{\"event\":\"" + event + "\",\"at\":" + System.nanoTime() / 1e9
            + (facts == null ? "" : "," + facts) + "}");
    }
}
