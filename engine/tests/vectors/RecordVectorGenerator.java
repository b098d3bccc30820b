// Writes test vectors of the records of __consumer_offsets, made by the kafka-group-coordinator jar on the class path.
//
// One line a record, parts separated by tabs: key and value in hexadecimal (- is no value), and both as Kafka prints them.
// Values are drawn from a fixed seed, guided by the message definitions inside the jar, so a second run gives the same file.
// How to run it: README.md in this directory.

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Random;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.MessageUtil;

public class RecordVectorGenerator {
    static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    static final ObjectMapper MAPPER = new ObjectMapper().enable(JsonParser.Feature.ALLOW_COMMENTS);
    static final String[] RECORDS = {
        "LegacyOffsetCommit", "OffsetCommit", "GroupMetadata", "ConsumerGroupMetadata", "ConsumerGroupPartitionMetadata",
        "ConsumerGroupMemberMetadata", "ConsumerGroupTargetAssignmentMetadata", "ConsumerGroupTargetAssignmentMember",
        "ConsumerGroupCurrentMemberAssignment", "ConsumerGroupRegularExpression",
    };

    final Random random = new Random(848);

    public static void main(String[] arguments) throws Exception {
        for (String record : RECORDS) new RecordVectorGenerator().write(record);
    }

    void write(String record) throws Exception {
        JsonNode keys = definition(record + "Key");
        JsonNode values = definition(record + "Value");
        String[] ends = values.get("validVersions").asText().split("-");
        for (int version = 0; version <= Integer.parseInt(ends[ends.length - 1]); version++) {
            for (int sample = 0; sample < 4; sample++) {
                ApiMessage key = message(record + "Key", keys, 0);
                byte[] keyBytes = bytes(MessageUtil.toCoordinatorTypePrefixedBytes(key));
                // The last sample of every version is a tombstone.
                if (sample == 3) {
                    System.out.println(HexFormat.of().formatHex(keyBytes) + "\t-\t" + key + "\t-");
                    continue;
                }
                ApiMessage value = message(record + "Value", values, version);
                byte[] valueBytes = bytes(MessageUtil.toVersionPrefixedBytes((short) version, value));
                System.out.println(HexFormat.of().formatHex(keyBytes) + "\t" + HexFormat.of().formatHex(valueBytes)
                    + "\t" + key + "\t" + value);
            }
        }
    }

    static byte[] bytes(Object written) {
        if (written instanceof byte[] array) return array;
        ByteBuffer buffer = (ByteBuffer) written;
        byte[] bytes = new byte[buffer.remaining()];
        buffer.get(bytes);
        return bytes;
    }

    static JsonNode definition(String name) throws Exception {
        try (InputStream in = RecordVectorGenerator.class.getResourceAsStream("/common/message/" + name + ".json")) {
            return MAPPER.readTree(in);
        }
    }

    ApiMessage message(String name, JsonNode definition, int version) throws Exception {
        Map<String, JsonNode> structs = new HashMap<>();
        if (definition.has("commonStructs")) {
            for (JsonNode struct : definition.get("commonStructs")) structs.put(struct.get("name").asText(), struct.get("fields"));
        }
        JsonNode value = structure(definition.get("fields"), version, structs);
        Class<?> converter = Class.forName("org.apache.kafka.coordinator.group.generated." + name + "JsonConverter");
        return (ApiMessage) converter.getMethod("read", JsonNode.class, short.class).invoke(null, value, (short) version);
    }

    static boolean contains(String versions, int version) {
        if (versions.endsWith("+")) return version >= Integer.parseInt(versions.replace("+", ""));
        String[] ends = versions.split("-");
        return Integer.parseInt(ends[0]) <= version && version <= Integer.parseInt(ends[ends.length - 1]);
    }

    ObjectNode structure(JsonNode fields, int version, Map<String, JsonNode> structs) {
        ObjectNode node = JSON.objectNode();
        for (JsonNode field : fields) {
            if (!contains(field.get("versions").asText(), version)) continue;
            if (field.has("taggedVersions") && random.nextInt(3) == 0) continue;
            String name = field.get("name").asText();
            node.set(name.substring(0, 1).toLowerCase() + name.substring(1), value(field, version, structs));
        }
        return node;
    }

    JsonNode value(JsonNode field, int version, Map<String, JsonNode> structs) {
        boolean nullable = field.has("nullableVersions") && contains(field.get("nullableVersions").asText(), version);
        if (nullable && random.nextInt(3) == 0) return JSON.nullNode();
        String type = field.get("type").asText();
        if (!type.startsWith("[]")) return single(type, field, version, structs);
        ArrayNode array = JSON.arrayNode();
        int count = random.nextInt(4);
        for (int i = 0; i < count; i++) array.add(single(type.substring(2), field, version, structs));
        return array;
    }

    JsonNode single(String type, JsonNode field, int version, Map<String, JsonNode> structs) {
        switch (type) {
            case "int8": return JSON.numberNode((byte) random.nextInt());
            case "int32": return JSON.numberNode(random.nextInt());
            case "int64": return JSON.numberNode(random.nextLong());
            case "uuid": return JSON.textNode(new Uuid(random.nextLong(), random.nextLong()).toString());
            case "bytes": {
                byte[] bytes = new byte[random.nextInt(5)];
                random.nextBytes(bytes);
                return JSON.binaryNode(bytes);
            }
            case "string": {
                StringBuilder text = new StringBuilder();
                // Now and then longer than a one-byte varint can say.
                int length = random.nextInt(8) == 0 ? 130 : 1 + random.nextInt(7);
                for (int i = 0; i < length; i++) text.append((char) ('a' + random.nextInt(26)));
                return JSON.textNode(text.toString());
            }
            default:
                return structure(field.has("fields") ? field.get("fields") : structs.get(type), version, structs);
        }
    }
}
