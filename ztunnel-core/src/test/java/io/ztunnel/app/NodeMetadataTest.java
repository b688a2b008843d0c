package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.ztunnel.xds.XdsNode;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NodeMetadataTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "null      | NULL_VALUE",
        "true      | BOOL_VALUE",
        "1.5       | NUMBER_VALUE",
        "'\"text\"' | STRING_VALUE",
        "[1, [2]]  | LIST_VALUE",
        "{}        | STRUCT_VALUE"
      })
  void jsonBecomesTheValueOfTheSameKind(String json, Value.KindCase kind) throws IOException {
    assertEquals(kind, NodeMetadata.parse(json).getKindCase());
  }

  @Test
  void jsonKeepsItsShape() throws IOException {
    Value value = NodeMetadata.parse("{\"a\": [1, \"x\", {\"b\": null}], \"c\": false}");
    assertEquals(
        1,
        value.getStructValue().getFieldsOrThrow("a").getListValue().getValues(0).getNumberValue());
    assertEquals(
        Value.KindCase.NULL_VALUE,
        value
            .getStructValue()
            .getFieldsOrThrow("a")
            .getListValue()
            .getValues(2)
            .getStructValue()
            .getFieldsOrThrow("b")
            .getKindCase());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "{", "[1", "1 2", "nope"})
  void whatIsNoJsonIsRefused(String text) {
    assertThrows(IOException.class, () -> NodeMetadata.parse(text));
  }

  @Test
  void nodeSaysWhoWeAreAndOperatorsMayAddToIt() {
    Config config =
        Config.from(
            Map.of(
                "POD_NAME", "pod",
                "POD_NAMESPACE", "ns",
                "INSTANCE_IP", "10.1.2.3",
                "NODE_NAME", "node",
                "ISTIO_META_NAMESPACE", "other",
                "ISTIO_METAJSON_LABELS", "{\"app\": \"web\"}",
                "ISTIO_METAJSON_BROKEN", "{"),
            List.of(),
            new FakeHost(2));
    XdsNode node = NodeMetadata.node(config);
    assertEquals("ztunnel~10.1.2.3~pod.ns~ns.svc.cluster.local", node.id());
    Struct metadata = node.metadata();
    assertEquals("pod", metadata.getFieldsOrThrow("NAME").getStringValue());
    assertEquals(
        "other", metadata.getFieldsOrThrow("NAMESPACE").getStringValue(), "the operator's word");
    assertEquals("10.1.2.3", metadata.getFieldsOrThrow("INSTANCE_IPS").getStringValue());
    assertEquals("node", metadata.getFieldsOrThrow("NODE_NAME").getStringValue());
    assertEquals(
        "web",
        metadata
            .getFieldsOrThrow("LABELS")
            .getStructValue()
            .getFieldsOrThrow("app")
            .getStringValue());
    assertFalse(metadata.containsFields("BROKEN"), "what is no JSON is left out alone");
  }
}
