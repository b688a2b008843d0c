package io.ztunnel.app;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.google.protobuf.ListValue;
import com.google.protobuf.NullValue;
import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.xds.XdsNode;
import java.io.IOException;

/** Who the daemon is, in the words of the control plane (Istio). Stateless. */
final class NodeMetadata {
  private static final Log LOG = Log.target("ztunnel::xds::client");
  private static final JsonFactory JSON = new JsonFactory();

  private NodeMetadata() {}

  static XdsNode node(Config config) {
    Config.Node node = config.node();
    Struct.Builder metadata =
        Struct.newBuilder()
            .putFields("NAME", text(node.podName()))
            .putFields("NAMESPACE", text(node.podNamespace()))
            .putFields("INSTANCE_IPS", text(node.instanceIp()))
            .putFields("NODE_NAME", text(node.name() == null ? "" : node.name()));
    config.proxyMetadata().forEach((key, value) -> metadata.putFields(key, text(value)));
    config
        .structuredMetadata()
        .forEach(
            (key, json) -> {
              try {
                metadata.putFields(key, parse(json));
              } catch (IOException e) {
                LOG.at(LogLevel.ERROR, "ISTIO_METAJSON_" + key + " is left out: it is no JSON")
                    .string("error", String.valueOf(e.getMessage()))
                    .log();
              }
            });
    return new XdsNode(
        "ztunnel~%s~%s.%s~%s.svc.cluster.local"
            .formatted(node.instanceIp(), node.podName(), node.podNamespace(), node.podNamespace()),
        metadata.build());
  }

  /** A JSON text as the value of the same kind. */
  static Value parse(String json) throws IOException {
    try (JsonParser parser = JSON.createParser(json)) {
      parser.nextToken();
      Value value = value(parser);
      if (parser.nextToken() != null) {
        throw new IOException("more than one value (expected: one)");
      }
      return value;
    }
  }

  private static Value value(JsonParser parser) throws IOException {
    JsonToken token = parser.currentToken();
    if (token == null) {
      throw new IOException("nothing (expected: a value)");
    }
    return switch (token) {
      case START_OBJECT -> object(parser);
      case START_ARRAY -> array(parser);
      case VALUE_STRING -> text(parser.getText());
      case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT ->
          Value.newBuilder().setNumberValue(parser.getDoubleValue()).build();
      case VALUE_TRUE -> Value.newBuilder().setBoolValue(true).build();
      case VALUE_FALSE -> Value.newBuilder().setBoolValue(false).build();
      case VALUE_NULL -> Value.newBuilder().setNullValue(NullValue.NULL_VALUE).build();
      case NOT_AVAILABLE, END_OBJECT, END_ARRAY, FIELD_NAME, VALUE_EMBEDDED_OBJECT ->
          throw new IOException(token + " (expected: a value)");
    };
  }

  private static Value object(JsonParser parser) throws IOException {
    Struct.Builder struct = Struct.newBuilder();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      String name = parser.currentName();
      parser.nextToken();
      struct.putFields(name, value(parser));
    }
    return Value.newBuilder().setStructValue(struct).build();
  }

  private static Value array(JsonParser parser) throws IOException {
    ListValue.Builder list = ListValue.newBuilder();
    while (parser.nextToken() != JsonToken.END_ARRAY) {
      list.addValues(value(parser));
    }
    return Value.newBuilder().setListValue(list).build();
  }

  private static Value text(String text) {
    return Value.newBuilder().setStringValue(text).build();
  }
}
