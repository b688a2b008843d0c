package io.ztunnel.mesh;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.nodes.MappingNode;
import org.yaml.snakeyaml.nodes.Node;
import org.yaml.snakeyaml.nodes.NodeTuple;
import org.yaml.snakeyaml.nodes.ScalarNode;
import org.yaml.snakeyaml.nodes.SequenceNode;

/**
 * One value of a YAML document and the path to it. It reads itself as what is wanted, or tells what
 * it is, what was expected, and where. Immutable.
 */
final class YamlValue {
  private static final Set<String> NULLS = Set.of("", "~", "null", "Null", "NULL");
  private static final int MAX_SHOWN = 60;

  private final Node node;
  private final String path;

  private YamlValue(Node node, String path) {
    this.node = node;
    this.path = path;
  }

  static YamlValue root(Node node) {
    return new YamlValue(node, "");
  }

  /** A text. Numbers and the like are texts too, as they are written. */
  String text() throws LocalConfigException {
    if (!(node instanceof ScalarNode scalar) || isNull()) {
      throw unexpected("a text");
    }
    return scalar.getValue();
  }

  long number(long max) throws LocalConfigException {
    long number = node instanceof ScalarNode scalar ? Decimal.parse(scalar.getValue(), max) : -1;
    if (number == Decimal.INVALID) {
      throw unexpected("a number from 0 to " + max);
    }
    return number;
  }

  int port() throws LocalConfigException {
    return (int) number(Ports.MAX);
  }

  boolean flag() throws LocalConfigException {
    return switch (node instanceof ScalarNode scalar ? scalar.getValue() : "") {
      case "true", "True", "TRUE" -> true;
      case "false", "False", "FALSE" -> false;
      case String _ -> throw unexpected("true or false");
    };
  }

  <E extends Enum<E> & Spelled> E choice(Class<E> kind) throws LocalConfigException {
    String found = node instanceof ScalarNode scalar ? scalar.getValue() : "";
    for (E constant : kind.getEnumConstants()) {
      if (constant.text().equals(found)) {
        return constant;
      }
    }
    throw unexpected(
        alternatives(Arrays.stream(kind.getEnumConstants()).map(Spelled::text).toList(), " or "));
  }

  /** A text of some form, which the parser answers with null for any other. */
  <T> T parsed(Function<String, @Nullable T> parser, String expected) throws LocalConfigException {
    T value = node instanceof ScalarNode scalar ? parser.apply(scalar.getValue()) : null;
    if (value == null) {
      throw unexpected(expected);
    }
    return value;
  }

  <T> List<T> list(Reader<T> reader) throws LocalConfigException {
    if (!(node instanceof SequenceNode sequence)) {
      throw unexpected("a list");
    }
    List<T> list = new ArrayList<>();
    for (Node element : sequence.getValue()) {
      list.add(reader.read(new YamlValue(element, path + "[" + list.size() + "]")));
    }
    return list;
  }

  /** A map with keys of the document's own choice. */
  <K, V> Map<K, V> map(Reader<K> keys, Reader<V> values) throws LocalConfigException {
    Map<K, V> map = new LinkedHashMap<>();
    for (NodeTuple entry : entries()) {
      YamlValue key = new YamlValue(entry.getKeyNode(), path);
      YamlValue value = new YamlValue(entry.getValueNode(), path + "[" + key.shown() + "]");
      if (map.put(keys.read(key), values.read(value)) != null) {
        throw key.unexpected("each key once");
      }
    }
    return map;
  }

  /** A map with known keys. */
  Fields fields(String... known) throws LocalConfigException {
    Set<String> expected = new LinkedHashSet<>(Arrays.asList(known));
    Map<String, YamlValue> values = new LinkedHashMap<>();
    for (NodeTuple entry : entries()) {
      String name = new YamlValue(entry.getKeyNode(), path).text();
      YamlValue value =
          new YamlValue(entry.getValueNode(), path.isEmpty() ? name : path + "." + name);
      if (!expected.contains(name)) {
        throw new LocalConfigException(
            "%s: unknown key (expected: %s) at line %d"
                .formatted(value.path, alternatives(expected, " or "), line(entry.getKeyNode())));
      }
      if (values.put(name, value) != null) {
        throw new LocalConfigException(
            "%s: given twice (expected: once) at line %d"
                .formatted(value.path, line(entry.getKeyNode())));
      }
    }
    return new Fields(this, values);
  }

  /** The local tag of the value, such as {@code !Exact}; null without one. */
  @Nullable String localTag() {
    String tag = node.getTag().getValue();
    return tag.startsWith("!") && tag.length() > 1 ? tag : null;
  }

  boolean isNull() {
    return node instanceof ScalarNode scalar
        && scalar.isPlain()
        && NULLS.contains(scalar.getValue());
  }

  boolean isEmpty() {
    return isNull()
        || (node instanceof SequenceNode sequence && sequence.getValue().isEmpty())
        || (node instanceof MappingNode mapping && mapping.getValue().isEmpty());
  }

  LocalConfigException unexpected(String expected) {
    return new LocalConfigException(
        "%s: %s (expected: %s) at line %d".formatted(where(), shown(), expected, line(node)));
  }

  private LocalConfigException missing(String name) {
    return new LocalConfigException(
        "%s: missing (expected: a value) in what begins at line %d"
            .formatted(path.isEmpty() ? name : path + "." + name, line(node)));
  }

  private List<NodeTuple> entries() throws LocalConfigException {
    if (!(node instanceof MappingNode mapping)) {
      throw unexpected("a map");
    }
    return mapping.getValue();
  }

  private String where() {
    return path.isEmpty() ? "document" : path;
  }

  private String shown() {
    return switch (node) {
      case ScalarNode scalar when isNull() -> "nothing";
      case ScalarNode scalar when scalar.getValue().length() > MAX_SHOWN ->
          '"' + scalar.getValue().substring(0, MAX_SHOWN) + "...\"";
      case ScalarNode scalar -> '"' + scalar.getValue() + '"';
      case SequenceNode _ -> "a list";
      default -> "a map";
    };
  }

  private static int line(Node node) {
    return node.getStartMark().getLine() + 1; // marks count from 0
  }

  static String alternatives(Iterable<String> names, String last) {
    List<String> all = new ArrayList<>();
    names.forEach(all::add);
    if (all.size() == 1) {
      return all.getFirst();
    }
    String most = all.subList(0, all.size() - 1).stream().collect(Collectors.joining(", "));
    return most + last + all.getLast();
  }

  /** Reads a value as something. */
  @FunctionalInterface
  interface Reader<T> {
    T read(YamlValue value) throws LocalConfigException;
  }

  /** The fields of a map with known keys. A field without a value is as good as none. Immutable. */
  record Fields(YamlValue of, Map<String, YamlValue> values) {
    <T> T required(String name, Reader<T> reader) throws LocalConfigException {
      YamlValue value = values.get(name);
      if (value == null) {
        throw of.missing(name);
      }
      return reader.read(value);
    }

    <T> T optional(String name, Reader<T> reader, T absent) throws LocalConfigException {
      YamlValue value = values.get(name);
      return value == null || value.isNull() ? absent : reader.read(value);
    }

    <T> @Nullable T optional(String name, Reader<T> reader) throws LocalConfigException {
      YamlValue value = values.get(name);
      return value == null || value.isNull() ? null : reader.read(value);
    }

    String text(String name) throws LocalConfigException {
      return optional(name, YamlValue::text, "");
    }
  }
}
