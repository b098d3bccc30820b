// Writes test vectors of Kafka's protocol, made by the kafka-clients jar on the class path.
//
// One line a vector: api, version, direction, the body in hexadecimal, and the message as kafka-clients prints it.
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
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

public class VectorGenerator {
    static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    static final ObjectMapper MAPPER = new ObjectMapper().enable(JsonParser.Feature.ALLOW_COMMENTS);

    final Random random = new Random(848);
    final Map<String, JsonNode> commonFields = new HashMap<>();

    record Versions(int lowest, int highest) {
        static Versions parse(String text) {
            if (text.equals("none")) return new Versions(1, 0);
            if (text.endsWith("+")) return new Versions(Integer.parseInt(text.replace("+", "")), Short.MAX_VALUE);
            String[] ends = text.split("-");
            return new Versions(Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1]));
        }

        boolean contains(int version) {
            return lowest <= version && version <= highest;
        }
    }

    /** Arguments: Api or Api:version or Api:lowest-highest. */
    public static void main(String[] arguments) throws Exception {
        for (String argument : arguments) {
            String[] parts = argument.split(":");
            for (String direction : new String[] {"Request", "Response"}) {
                new VectorGenerator().write(parts[0], direction, parts.length > 1 ? Versions.parse(parts[1]) : null);
            }
        }
    }

    void write(String api, String direction, Versions wanted) throws Exception {
        JsonNode definition;
        String resource = "/common/message/" + api + direction + ".json";
        try (InputStream in = Message.class.getResourceAsStream(resource)) {
            definition = MAPPER.readTree(in);
        }
        if (definition.has("commonStructs")) {
            for (JsonNode struct : definition.get("commonStructs")) {
                commonFields.put(struct.get("name").asText(), struct.get("fields"));
            }
        }
        Versions valid = Versions.parse(definition.get("validVersions").asText());
        Class<?> converter = Class.forName("org.apache.kafka.common.message." + api + direction + "DataJsonConverter");
        for (int version = valid.lowest(); version <= valid.highest(); version++) {
            if (wanted != null && !wanted.contains(version)) continue;
            for (int sample = 0; sample < 2; sample++) {
                JsonNode value = structure(definition.get("fields"), version);
                Message message = (Message) converter.getMethod("read", JsonNode.class, short.class)
                    .invoke(null, value, (short) version);
                ObjectSerializationCache cache = new ObjectSerializationCache();
                ByteBuffer bytes = ByteBuffer.allocate(message.size(cache, (short) version));
                message.write(new ByteBufferAccessor(bytes), cache, (short) version);
                String hex = HexFormat.of().formatHex(bytes.array());
                System.out.println(api + " " + version + " " + direction.toLowerCase() + " " + hex + " " + message);
            }
        }
    }

    ObjectNode structure(JsonNode fields, int version) {
        ObjectNode node = JSON.objectNode();
        for (JsonNode field : fields) {
            if (!Versions.parse(field.get("versions").asText()).contains(version)) continue;
            if (field.has("taggedVersions") && random.nextInt(4) == 0) continue;
            String name = field.get("name").asText();
            node.set(name.substring(0, 1).toLowerCase() + name.substring(1), value(field, version));
        }
        return node;
    }

    JsonNode value(JsonNode field, int version) {
        boolean nullable = field.has("nullableVersions")
            && Versions.parse(field.get("nullableVersions").asText()).contains(version);
        if (nullable && random.nextInt(4) == 0) return JSON.nullNode();
        String type = field.get("type").asText();
        if (!type.startsWith("[]")) return single(type, field, version);
        ArrayNode array = JSON.arrayNode();
        int count = random.nextInt(3);
        for (int i = 0; i < count; i++) array.add(single(type.substring(2), field, version));
        return array;
    }

    JsonNode single(String type, JsonNode field, int version) {
        switch (type) {
            case "bool": return JSON.booleanNode(random.nextBoolean());
            case "int8": return JSON.numberNode((byte) random.nextInt());
            case "int16": return JSON.numberNode((short) random.nextInt());
            case "int32": return JSON.numberNode(random.nextInt());
            case "int64": return JSON.numberNode(random.nextLong());
            case "uuid": return JSON.textNode(new Uuid(random.nextLong(), random.nextLong()).toString());
            case "bytes": {
                byte[] bytes = new byte[1 + random.nextInt(7)];
                random.nextBytes(bytes);
                return JSON.binaryNode(bytes);
            }
            case "string": {
                StringBuilder text = new StringBuilder();
                // Never empty: an empty string alone in a list is printed like an empty list.
                int length = 1 + random.nextInt(7);
                for (int i = 0; i < length; i++) text.append((char) ('a' + random.nextInt(26)));
                return JSON.textNode(text.toString());
            }
            default: {
                JsonNode fields = field.has("fields") ? field.get("fields") : commonFields.get(type);
                if (fields == null) throw new IllegalArgumentException("type " + type);
                return structure(fields, version);
            }
        }
    }
}
