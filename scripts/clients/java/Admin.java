import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Kafka's own admin client, idempotent producer, and moves within a subscription: Admin BOOTSTRAP. A line a check. */
public class Admin {
    private static final int SECONDS_MAX = 15;
    private static final long NOW_MS = System.currentTimeMillis();
    private static final String PREFIX = "java-admin-" + NOW_MS;
    private static String bootstrap;
    private static org.apache.kafka.clients.admin.Admin admin;
    private static boolean failed;

    private interface Check {
        void run() throws Exception;
    }

    public static void main(String[] args) {
        bootstrap = args[0];
        admin = org.apache.kafka.clients.admin.Admin.create(Map.of("bootstrap.servers", bootstrap));
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            check("writes_idempotently_and_reads_" + codec, () -> writesIdempotently(codec));
        }
        check("alters_configs_incrementally", Admin::altersConfigs);
        check("alters_the_options_of_a_group", Admin::altersGroupConfigs);
        check("adds_partitions", Admin::addsPartitions);
        check("deletes_records", Admin::deletesRecords);
        check("lists_offsets", Admin::listsOffsets);
        check("describes_the_cluster", Admin::describesTheCluster);
        check("deletes_topics_by_name_and_by_id", Admin::deletesTopics);
        for (String protocol : List.of("classic", "consumer")) {
            check("administers_" + protocol + "_groups", () -> administersGroups(protocol));
            check("pauses_seeks_and_rewinds_in_a_" + protocol + "_group", () -> movesWithin(protocol));
        }
        check("removes_a_static_member", Admin::removesAMember);
        System.exit(failed ? 1 : 0);
    }

    private static void check(String name, Check check) {
        try {
            check.run();
            System.out.println("ok " + name);
        } catch (Throwable wrong) {
            failed = true;
            StackTraceElement[] trace = wrong.getStackTrace();
            String where = Arrays.stream(trace).filter(frame -> frame.getClassName().startsWith("Admin"))
                .map(frame -> String.valueOf(frame.getLineNumber())).skip(1).findFirst().orElse("?");
            System.out.println("FAIL " + name + " " + String.valueOf(wrong).replaceAll("\\s+", " ") + " (line " + where + ")");
        }
    }

    private static void require(boolean condition, Object said) {
        if (!condition) {
            throw new AssertionError(said);
        }
    }

    private static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(SECONDS_MAX, java.util.concurrent.TimeUnit.SECONDS);
    }

    private static void refused(Class<?> error, KafkaFuture<?> future) throws Exception {
        try {
            get(future);
        } catch (ExecutionException refusal) {
            require(error.isInstance(refusal.getCause()), refusal.getCause() + " instead of " + error.getSimpleName());
            return;
        }
        throw new AssertionError("was not refused with " + error.getSimpleName());
    }

    private static <T> void until(Callable<T> ask, T wanted) throws Exception {
        long end = System.nanoTime() + SECONDS_MAX * 1_000_000_000L;
        T found = null;
        while (System.nanoTime() < end) {
            found = ask.call();
            if (wanted.equals(found)) {
                return;
            }
            Thread.sleep(50);
        }
        throw new AssertionError(found + " instead of " + wanted);
    }

    private static String create(String name, int partitions, Map<String, String> configs) throws Exception {
        String topic = PREFIX + "-" + name;
        get(admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all());
        until(() -> get(admin.listTopics().names()).contains(topic), true);
        return topic;
    }

    private static void write(String topic, int partition, int count) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (int number = 0; number < count; number++) {
                producer.send(new ProducerRecord<>(topic, partition, NOW_MS + number, null, new byte[] {(byte) number}));
            }
            producer.flush();
        }
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Map<String, String> more) {
        Properties settings = new Properties();
        settings.putAll(Map.of("bootstrap.servers", bootstrap, "enable.auto.commit", "false"));
        settings.putAll(Map.of("auto.offset.reset", "earliest", "fetch.max.wait.ms", "50"));
        settings.putAll(more);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static List<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer, int count, int seconds) {
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        long end = System.nanoTime() + seconds * 1_000_000_000L;
        while (found.size() < count && System.nanoTime() < end) {
            consumer.poll(Duration.ofMillis(200)).forEach(found::add);
        }
        return found;
    }

    private static void writesIdempotently(String codec) throws Exception {
        String topic = create("idempotent-" + codec, 1, Map.of());
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", bootstrap, "compression.type", codec, "linger.ms", "5", "enable.idempotence", "true");
        List<ProducerRecord<byte[], byte[]>> made = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            byte[] key = i % 3 == 0 ? null : ("key-" + i).getBytes();
            byte[] value = i % 7 == 0 ? null : "value ".repeat(i % 50).getBytes();
            RecordHeaders headers = new RecordHeaders();
            headers.add("number", new byte[] {(byte) i}).add("é", null).add("number", new byte[0]);
            made.add(new ProducerRecord<>(topic, 0, NOW_MS - i, key, value, headers));
        }
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            var sent = made.stream().map(producer::send).toList();
            for (int i = 0; i < sent.size(); i++) {
                require(sent.get(i).get().offset() == i, "offset " + sent.get(i).get().offset() + " instead of " + i);
            }
        }
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.assign(List.of(new TopicPartition(topic, 0)));
            consumer.seekToBeginning(consumer.assignment());
            List<ConsumerRecord<byte[], byte[]>> found = poll(consumer, made.size(), SECONDS_MAX);
            require(found.size() == made.size(), found.size() + " records");
            for (int i = 0; i < made.size(); i++) {
                ProducerRecord<byte[], byte[]> wrote = made.get(i);
                ConsumerRecord<byte[], byte[]> read = found.get(i);
                require(Arrays.equals(wrote.key(), read.key()) && Arrays.equals(wrote.value(), read.value())
                    && wrote.headers().equals(read.headers()) && wrote.timestamp() == read.timestamp(), "record " + i);
            }
        }
    }

    private static ConfigEntry entry(ConfigResource resource, String name) throws Exception {
        DescribeConfigsOptions all = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
        return get(admin.describeConfigs(List.of(resource), all).all()).get(resource).get(name);
    }

    private static String shown(ConfigResource resource, String name) throws Exception {
        ConfigEntry entry = entry(resource, name);
        return entry.value() + " " + entry.source();
    }

    private static KafkaFuture<Void> alter(ConfigResource resource, AlterConfigsOptions options, AlterConfigOp... operations) {
        return admin.incrementalAlterConfigs(Map.of(resource, List.of(operations)), options).all();
    }

    private static AlterConfigOp change(String name, String value, AlterConfigOp.OpType type) {
        return new AlterConfigOp(new ConfigEntry(name, value), type);
    }

    private static void altersConfigs() throws Exception {
        AlterConfigsOptions now = new AlterConfigsOptions();
        ConfigResource topic = new ConfigResource(
            ConfigResource.Type.TOPIC, create("configs", 1, Map.of("retention.ms", "7000")));
        require(shown(topic, "retention.ms").equals("7000 DYNAMIC_TOPIC_CONFIG"), shown(topic, "retention.ms"));
        get(alter(topic, now, change("retention.ms", "8000", AlterConfigOp.OpType.SET),
            change("cleanup.policy", "compact", AlterConfigOp.OpType.APPEND)));
        until(() -> shown(topic, "retention.ms"), "8000 DYNAMIC_TOPIC_CONFIG");
        until(() -> shown(topic, "cleanup.policy"), "delete,compact DYNAMIC_TOPIC_CONFIG");
        ConfigEntry entry = entry(topic, "retention.ms");
        require(entry.type() == ConfigEntry.ConfigType.LONG && !entry.documentation().isEmpty(), entry);
        require(entry.synonyms().get(0).value().equals("8000"), entry.synonyms());
        get(alter(topic, now, change("cleanup.policy", "delete", AlterConfigOp.OpType.SUBTRACT),
            change("retention.ms", "", AlterConfigOp.OpType.DELETE)));
        until(() -> shown(topic, "cleanup.policy"), "compact DYNAMIC_TOPIC_CONFIG");
        until(() -> shown(topic, "retention.ms"), "604800000 DEFAULT_CONFIG");
        get(alter(topic, now.validateOnly(true), change("retention.ms", "1", AlterConfigOp.OpType.SET)));
        require(shown(topic, "retention.ms").startsWith("604800000"), "carried out, and was only to be checked");
        refused(InvalidConfigurationException.class,
            alter(topic, new AlterConfigsOptions(), change("retention.ms", "soon", AlterConfigOp.OpType.SET)));
    }

    private static void altersGroupConfigs() throws Exception {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, PREFIX + "-options");
        String name = "consumer.session.timeout.ms";
        get(alter(group, new AlterConfigsOptions(), change(name, "50000", AlterConfigOp.OpType.SET)));
        until(() -> shown(group, name), "50000 DYNAMIC_GROUP_CONFIG");
        get(alter(group, new AlterConfigsOptions(), change(name, "", AlterConfigOp.OpType.DELETE)));
        until(() -> entry(group, name).source() == ConfigEntry.ConfigSource.DYNAMIC_GROUP_CONFIG, false);
    }

    private static void addsPartitions() throws Exception {
        String topic = create("partitions", 2, Map.of());
        get(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all());
        until(() -> get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions().size(), 5);
        write(topic, 4, 3);
        refused(InvalidPartitionsException.class, admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all());
    }

    private static long offset(TopicPartition partition, OffsetSpec spec) throws Exception {
        return get(admin.listOffsets(Map.of(partition, spec)).all()).get(partition).offset();
    }

    private static void deletesRecords() throws Exception {
        TopicPartition partition = new TopicPartition(create("deleted", 1, Map.of()), 0);
        write(partition.topic(), 0, 100);
        var deleted = admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(40)));
        require(get(deleted.lowWatermarks().get(partition)).lowWatermark() == 40, "low watermark");
        require(offset(partition, OffsetSpec.earliest()) == 40, offset(partition, OffsetSpec.earliest()));
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            List<ConsumerRecord<byte[], byte[]>> found = poll(consumer, 60, SECONDS_MAX);
            require(found.size() == 60 && found.get(0).offset() == 40, found.size() + " records");
        }
        refused(OffsetOutOfRangeException.class,
            admin.deleteRecords(Map.of(partition, RecordsToDelete.beforeOffset(101))).all());
    }

    private static void listsOffsets() throws Exception {
        TopicPartition partition = new TopicPartition(create("offsets", 1, Map.of()), 0);
        write(partition.topic(), 0, 50);
        require(offset(partition, OffsetSpec.earliest()) == 0, "earliest");
        require(offset(partition, OffsetSpec.latest()) == 50, "latest");
        require(offset(partition, OffsetSpec.forTimestamp(NOW_MS + 20)) == 20, "by time");
        require(offset(partition, OffsetSpec.maxTimestamp()) == 49, "max timestamp");
    }

    private static void describesTheCluster() throws Exception {
        var cluster = admin.describeCluster();
        var nodes = get(cluster.nodes()).stream().map(node -> node.host() + ":" + node.port()).toList();
        require(nodes.equals(List.of(bootstrap)) && !get(cluster.clusterId()).isEmpty(), nodes);
        require(get(cluster.controller()) != null, "no controller");
    }

    private static void deletesTopics() throws Exception {
        String topic = create("gone", 1, Map.of());
        get(admin.deleteTopics(List.of(topic)).all());
        until(() -> get(admin.listTopics().names()).contains(topic), false);
        refused(UnknownTopicOrPartitionException.class, admin.deleteTopics(List.of(topic)).all());
        get(admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all());
        until(() -> get(admin.listTopics().names()).contains(topic), true);
        var id = get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).topicId();
        get(admin.deleteTopics(org.apache.kafka.common.TopicCollection.ofTopicIds(List.of(id))).all());
        until(() -> get(admin.listTopics().names()).contains(topic), false);
    }

    private static Map<TopicPartition, Long> committed(String group) throws Exception {
        Map<TopicPartition, Long> found = new java.util.HashMap<>();
        get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata())
            .forEach((partition, offset) -> found.put(partition, offset.offset()));
        return found;
    }

    private static void administersGroups(String protocol) throws Exception {
        String topic = create("groups-" + protocol, 2, Map.of());
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        write(topic, 0, 30);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("group.id", topic, "group.protocol", protocol))) {
            consumer.subscribe(List.of(topic));
            require(poll(consumer, 30, SECONDS_MAX).size() == 30, "not all was read");
            consumer.commitSync(Map.of(first, new OffsetAndMetadata(30, "said so"), second, new OffsetAndMetadata(0)));
            ConsumerGroupDescription described =
                get(admin.describeConsumerGroups(List.of(topic)).describedGroups().get(topic));
            require(described.groupState() == GroupState.STABLE && described.type() == GroupType.parse(protocol), described);
            require(described.partitionAssignor().equals(protocol.equals("classic") ? "range" : "uniform"), described);
            require(described.members().size() == 1, described);
            require(described.members().iterator().next().assignment().topicPartitions().equals(Set.of(first, second)),
                described);
            Collection<GroupListing> listed = get(admin.listGroups(new ListGroupsOptions()
                .inGroupStates(Set.of(GroupState.STABLE)).withTypes(Set.of(GroupType.parse(protocol)))).all());
            require(listed.stream().anyMatch(group -> group.groupId().equals(topic)), listed);
            refused(GroupNotEmptyException.class, admin.deleteConsumerGroups(List.of(topic)).all());
            refused(GroupSubscribedToTopicException.class,
                admin.deleteConsumerGroupOffsets(topic, Set.of(first)).partitionResult(first));
        }
        until(() -> get(admin.describeConsumerGroups(List.of(topic)).describedGroups().get(topic)).groupState(),
            GroupState.EMPTY);
        require(get(admin.listConsumerGroupOffsets(topic).partitionsToOffsetAndMetadata()).get(first)
            .metadata().equals("said so"), "metadata");
        get(admin.alterConsumerGroupOffsets(topic, Map.of(first, new OffsetAndMetadata(12))).all());
        require(committed(topic).equals(Map.of(first, 12L, second, 0L)), committed(topic));
        get(admin.deleteConsumerGroupOffsets(topic, Set.of(first)).all());
        require(committed(topic).equals(Map.of(second, 0L)), committed(topic));
        get(admin.deleteConsumerGroups(List.of(topic)).all());
        require(get(admin.listGroups().all()).stream().noneMatch(group -> group.groupId().equals(topic)), "still listed");
        refused(GroupIdNotFoundException.class, admin.deleteConsumerGroups(List.of(topic)).all());
    }

    private static void removesAMember() throws Exception {
        String topic = create("removed", 1, Map.of());
        KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("group.id", topic, "group.instance.id", "only"));
        consumer.subscribe(List.of(topic));
        poll(consumer, 1, 2);
        require(consumer.assignment().size() == 1, consumer.assignment());
        // A static member does not leave by itself.
        consumer.close();
        var gone = new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("only")));
        var described = admin.describeConsumerGroups(List.of(topic)).describedGroups().get(topic);
        require(get(described).members().iterator().next().groupInstanceId().equals(Optional.of("only")), get(described));
        get(admin.removeMembersFromConsumerGroup(topic, gone).all());
        until(() -> get(admin.describeConsumerGroups(List.of(topic)).describedGroups().get(topic)).members().size(), 0);
    }

    private static List<String> places(List<ConsumerRecord<byte[], byte[]>> records) {
        return records.stream().sorted((a, b) -> a.partition() != b.partition()
            ? a.partition() - b.partition() : Long.compare(a.offset(), b.offset()))
            .map(record -> record.partition() + ":" + record.offset()).toList();
    }

    private static List<String> range(int partition, int from, int to) {
        return IntStream.range(from, to).mapToObj(offset -> partition + ":" + offset).toList();
    }

    /** Seeks back and to the end, holds one partition and lets it go on. */
    private static void movesWithin(String protocol) throws Exception {
        String topic = create("moves-" + protocol, 2, Map.of());
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        write(topic, 0, 30);
        write(topic, 1, 30);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Map.of("group.id", topic, "group.protocol", protocol))) {
            consumer.subscribe(List.of(topic));
            List<String> everything = new ArrayList<>(range(0, 0, 30));
            everything.addAll(range(1, 0, 30));
            require(places(poll(consumer, 60, SECONDS_MAX)).equals(everything), "the first reading");
            consumer.seek(first, 25);
            require(places(poll(consumer, 5, SECONDS_MAX)).equals(range(0, 25, 30)), "after a seek to 25");
            consumer.pause(List.of(second));
            consumer.seekToBeginning(List.of(first, second));
            require(places(poll(consumer, 31, 2)).equals(range(0, 0, 30)), "a paused partition was read");
            consumer.resume(List.of(second));
            require(places(poll(consumer, 30, SECONDS_MAX)).equals(range(1, 0, 30)), "after the pause");
            consumer.seekToEnd(List.of(first));
            require(consumer.position(first) == 30, "the end");
            write(topic, 0, 1);
            require(places(poll(consumer, 1, SECONDS_MAX)).equals(range(0, 30, 31)), "what came after the end");
        }
    }
}
