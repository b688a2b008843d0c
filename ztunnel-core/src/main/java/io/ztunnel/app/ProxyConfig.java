package io.ztunnel.app;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.Tag;
import org.yaml.snakeyaml.representer.Representer;
import org.yaml.snakeyaml.resolver.Resolver;

/**
 * The part of Istio's {@code ProxyConfig} that is read here; its other keys are for Envoy and are
 * ignored. Immutable.
 */
record ProxyConfig(
    @Nullable String discoveryAddress,
    @Nullable Integer proxyAdminPort,
    @Nullable Integer statsPort,
    @Nullable Integer concurrency,
    Map<String, String> proxyMetadata) {
  static final Path MESH_FILE = Path.of("./etc/istio/config/mesh");
  private static final ProxyConfig EMPTY = new ProxyConfig(null, null, null, null, Map.of());
  private static final int MAX_PORT = 65_535;

  ProxyConfig {
    proxyMetadata = Collections.unmodifiableMap(new TreeMap<>(proxyMetadata));
  }

  /** The mesh file's default, overridden by the variable {@code PROXY_CONFIG}. */
  static ProxyConfig load(Environment env, Host host) {
    ProxyConfig file = fromMeshFile(host);
    String variable = env.nonEmpty("PROXY_CONFIG");
    if (variable == null) {
      return file;
    }
    try {
      return file.overriddenBy(parse(mapping(variable)));
    } catch (YAMLException | IllegalArgumentException e) {
      throw ConfigException.proxyConfig("failed parsing proxy config env: " + e.getMessage(), e);
    }
  }

  private static ProxyConfig fromMeshFile(Host host) {
    try {
      Object defaults = mapping(host.read(MESH_FILE)).get("defaultConfig");
      return defaults == null ? EMPTY : parse(mapping("defaultConfig", defaults));
    } catch (NoSuchFileException _) {
      return EMPTY;
    } catch (IOException | YAMLException | IllegalArgumentException e) {
      throw ConfigException.proxyConfig(
          "failed parsing mesh config file " + MESH_FILE + ": " + e.getMessage(), e);
    }
  }

  private ProxyConfig overriddenBy(ProxyConfig over) {
    var metadata = new TreeMap<>(proxyMetadata);
    metadata.putAll(over.proxyMetadata);
    return new ProxyConfig(
        over.discoveryAddress == null ? discoveryAddress : over.discoveryAddress,
        over.proxyAdminPort == null ? proxyAdminPort : over.proxyAdminPort,
        over.statsPort == null ? statsPort : over.statsPort,
        over.concurrency == null ? concurrency : over.concurrency,
        metadata);
  }

  private static ProxyConfig parse(Map<?, ?> yaml) {
    var metadata = new TreeMap<String, String>();
    Object entries = yaml.get("proxyMetadata");
    if (entries != null) {
      mapping("proxyMetadata", entries)
          .forEach(
              (key, value) ->
                  metadata.put(text("proxyMetadata", key), text("proxyMetadata." + key, value)));
    }
    Object discovery = yaml.get("discoveryAddress");
    return new ProxyConfig(
        discovery == null ? null : text("discoveryAddress", discovery),
        number(yaml, "proxyAdminPort"),
        number(yaml, "statsPort"),
        number(yaml, "concurrency"),
        metadata);
  }

  private static Map<?, ?> mapping(String yaml) {
    var options = new LoaderOptions();
    options.setAllowDuplicateKeys(false);
    DumperOptions unused = new DumperOptions();
    Object root =
        new Yaml(
                new SafeConstructor(options),
                new Representer(unused),
                unused,
                options,
                new TextsAsWritten())
            .load(yaml);
    return mapping("the document", root == null ? "empty" : root);
  }

  private static Map<?, ?> mapping(String name, Object value) {
    if (value instanceof Map<?, ?> map) {
      return map;
    }
    throw new IllegalArgumentException(name + ": " + value + " (expected: a mapping)");
  }

  private static String text(String name, @Nullable Object value) {
    if (value instanceof String text) {
      return text;
    }
    throw new IllegalArgumentException(name + ": " + value + " (expected: a string)");
  }

  private static @Nullable Integer number(Map<?, ?> yaml, String name) {
    Object value = yaml.get(name);
    if (value == null) {
      return null;
    }
    try {
      return (int) Environment.wholeNumber(String.valueOf(value), 0, MAX_PORT);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(name + ": " + value + " (" + e.getMessage() + ")", e);
    }
  }

  /**
   * Leaves scalars as they are written: what a key wants to be, only the key tells. By themselves
   * {@code true} and {@code no} would be truth values and {@code 1:30} a number, and no texts.
   */
  private static final class TextsAsWritten extends Resolver {
    private static final Pattern NOTHING = Pattern.compile("~|null|Null|NULL|");

    @Override
    protected void addImplicitResolvers() {
      addImplicitResolver(Tag.NULL, NOTHING, null);
    }
  }
}
