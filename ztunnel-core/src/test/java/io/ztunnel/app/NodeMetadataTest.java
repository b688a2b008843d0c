package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.Value;
import java.io.IOException;
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
}
