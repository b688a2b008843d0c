package io.ztunnel.mesh;

import java.io.IOException;
import java.io.StringReader;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.error.MarkedYAMLException;
import org.yaml.snakeyaml.error.YAMLException;
import org.yaml.snakeyaml.nodes.Node;

/**
 * A mesh written down in YAML, for use without a control plane or as its first word ({@code
 * LOCAL_XDS_PATH}, {@code LOCAL_XDS}). The same keys as in {@code /config_dump}. Immutable.
 */
public record LocalConfig(
    List<Workload> workloads, List<Authorization> policies, List<Service> services) {
  /** How often one anchor may be used. */
  private static final int MAX_ALIASES = 100_000;

  public LocalConfig {
    workloads = List.copyOf(workloads);
    policies = List.copyOf(policies);
    services = List.copyOf(services);
  }

  /**
   * Reads a file. Blocks.
   *
   * @throws LocalConfigException when it cannot be read or used; the message names the file
   */
  public static LocalConfig read(Path file) throws LocalConfigException {
    try {
      return parse(Files.readString(file));
    } catch (CharacterCodingException e) {
      throw new LocalConfigException(file + ": not a text (expected: YAML in UTF-8)");
    } catch (IOException e) {
      throw new LocalConfigException(file + ": cannot be read (expected: a YAML file): " + e);
    } catch (LocalConfigException e) {
      throw new LocalConfigException(file + ": " + e.getMessage());
    }
  }

  /**
   * Reads a text.
   *
   * @throws LocalConfigException when it cannot be used
   */
  public static LocalConfig parse(String yaml) throws LocalConfigException {
    LoaderOptions options = new LoaderOptions();
    options.setCodePointLimit(Integer.MAX_VALUE);
    options.setMaxAliasesForCollections(MAX_ALIASES);
    Node document;
    try {
      document = new Yaml(options).compose(new StringReader(yaml));
    } catch (MarkedYAMLException e) {
      String context = e.getContext() == null ? "" : e.getContext() + " ";
      throw new LocalConfigException(
          "%s%s (expected: YAML) at line %d, column %d"
              .formatted(
                  context,
                  e.getProblem(),
                  e.getProblemMark().getLine() + 1,
                  e.getProblemMark().getColumn() + 1));
    } catch (YAMLException e) {
      throw new LocalConfigException(e.getMessage() + " (expected: YAML)");
    }
    return of(document);
  }

  private static LocalConfig of(@Nullable Node document) throws LocalConfigException {
    if (document == null) {
      throw new LocalConfigException("empty (expected: workloads, policies and services)");
    }
    YamlValue.Fields top = YamlValue.root(document).fields("workloads", "policies", "services");
    return new LocalConfig(
        top.optional("workloads", all -> all.list(WorkloadYaml::workload), List.of()),
        top.optional("policies", all -> all.list(PolicyYaml::policy), List.of()),
        top.optional("services", all -> all.list(ServiceYaml::service), List.of()));
  }

  /** Puts this in place of everything that is known. Control thread. */
  public void replace(MeshState state) {
    state.update(
        update -> {
          update.clear();
          workloads.forEach(update::insertWorkload);
          policies.forEach(policy -> update.insertPolicy(policy.fullName(), policy));
          services.forEach(update::insertService);
        });
  }
}
