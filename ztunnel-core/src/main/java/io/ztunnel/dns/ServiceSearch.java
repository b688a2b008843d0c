package io.ztunnel.dns;

import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Finds the service that a client means by a name: the name itself, what it is short for in
 * Kubernetes, and the same without a search domain (Istio). Names are in lower case, without their
 * last dot. Pure.
 */
final class ServiceSearch {
  private final LookupSettings settings;
  private final String serviceDomain;

  ServiceSearch(LookupSettings settings) {
    this.settings = settings;
    this.serviceDomain = "svc." + settings.clusterDomain();
  }

  /**
   * A service and how it was found.
   *
   * @param stripped what the client wrote before its resolver put a search domain behind it; null
   *     if the service was found without taking one off
   */
  record Match(Service service, @Nullable String stripped) {}

  /** Another name for what was asked. */
  private record Alias(String name, @Nullable String stripped) {}

  @Nullable Match find(MeshView view, Workload client, String name) {
    for (Alias alias : aliases(client, name)) {
      Service service = find(view, client, alias);
      if (service != null) {
        return new Match(service, alias.stripped());
      }
    }
    return null;
  }

  /** By the exact name, else by the wildcards from the longest to the shortest. */
  private @Nullable Service find(MeshView view, Workload client, Alias alias) {
    for (String hostname : withWildcards(alias.name())) {
      Service service =
          view.service(
              hostname, client.namespace(), settings.preferredNamespace(), this::isAnswered);
      if (service != null) {
        return service;
      }
    }
    return null;
  }

  /** A service without addresses of its own is one of Kubernetes, or its names are not ours. */
  private boolean isAnswered(Service service) {
    return !service.vips().isEmpty() || isBelow(service.hostname(), serviceDomain);
  }

  /**
   * The keys of services that the mesh may have by this name though they are not known here: only
   * names of Kubernetes services tell the namespace that a key needs.
   */
  List<NamespacedHostname> candidates(Workload client, String name) {
    List<NamespacedHostname> keys = new ArrayList<>();
    for (Alias alias : aliases(client, name)) {
      if (isBelow(alias.name(), serviceDomain)) {
        String own = withoutDomain(alias.name(), serviceDomain);
        int dot = own.indexOf('.');
        if (dot > 0 && own.indexOf('.', dot + 1) < 0) {
          keys.add(new NamespacedHostname(own.substring(dot + 1), alias.name()));
        }
      }
    }
    return keys;
  }

  private List<Alias> aliases(Workload client, String name) {
    List<Alias> aliases = new ArrayList<>();
    add(aliases, new Alias(name, null));
    for (String expansion : expansions(client, name)) {
      add(aliases, new Alias(expansion, null));
    }
    for (String domain : settings.searchDomains().of(client, settings.clusterDomain())) {
      if (isBelow(name, domain)) {
        String stripped = withoutDomain(name, domain);
        add(aliases, new Alias(stripped, stripped));
        for (String expansion : expansions(client, stripped)) {
          add(aliases, new Alias(expansion, stripped));
        }
      }
    }
    return aliases;
  }

  private static void add(List<Alias> aliases, Alias alias) {
    if (aliases.stream().noneMatch(known -> known.name().equals(alias.name()))) {
      aliases.add(alias);
    }
  }

  /** The full names that a short one may stand for, by how many labels it has. */
  List<String> expansions(Workload client, String name) {
    String[] labels = name.split("\\.", -1);
    boolean service = labels[labels.length - 1].equals("svc");
    return switch (labels.length) {
      case 1 -> List.of(name + "." + client.namespace() + "." + serviceDomain);
      case 2 ->
          List.of(
              name + "." + serviceDomain, name + "." + client.namespace() + "." + serviceDomain);
      case 3 ->
          service
              ? List.of(name + "." + settings.clusterDomain(), name + "." + serviceDomain)
              : List.of(name + "." + serviceDomain);
      case 4 -> service ? List.of(name + "." + settings.clusterDomain()) : List.of();
      default -> List.of();
    };
  }

  /** The name and the wildcards that match it, none of them shorter than two labels. */
  static List<String> withWildcards(String name) {
    List<String> names = new ArrayList<>();
    names.add(name);
    for (int dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      names.add("*" + name.substring(dot));
    }
    return names;
  }

  /** True if the name has more labels than the domain, and ends with it. */
  static boolean isBelow(String name, String domain) {
    int dot = name.length() - domain.length() - 1;
    return !domain.isEmpty() && dot > 0 && name.charAt(dot) == '.' && name.endsWith(domain);
  }

  /** What is before the domain; for a name below it. */
  static String withoutDomain(String name, String domain) {
    return name.substring(0, name.length() - domain.length() - 1);
  }
}
