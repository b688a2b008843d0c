package io.ztunnel.explain;

import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.mesh.Addressable;
import io.ztunnel.mesh.IpText;
import io.ztunnel.mesh.MeshView;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.NetworkAddress;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Finds what the words of a question stand for, in one view of the mesh. What stands for nothing is
 * a {@link QuestionException}. Pure.
 */
final class Names {
  /** How many of several are named. */
  private static final int MAX_NAMED = 5;

  private final MeshView view;
  private final String network;

  Names(MeshView view, String network) {
    this.view = view;
    this.network = network;
  }

  /**
   * Who opens the connection.
   *
   * @param workload null: an address that the mesh does not know
   * @param address null: the workload has none
   */
  record Source(@Nullable Workload workload, @Nullable InetAddress address) {
    /** The address it comes from, of the family of the target where it has one. */
    InetAddress addressFor(InetAddress target) {
      InetAddress known = address;
      if (known != null) {
        return known;
      }
      List<InetAddress> ips = workload == null ? List.of() : workload.ips();
      return ips.stream()
          .filter(ip -> ip.getClass().equals(target.getClass()))
          .findFirst()
          .or(() -> ips.stream().findFirst())
          .orElseThrow(() -> new QuestionException("src: it has no address (expected: a pod)"));
    }

    String namespace() {
      return workload == null ? "" : workload.namespace();
    }

    @Nullable SpiffeId identity() {
      return workload == null ? null : workload.identity();
    }
  }

  /**
   * Where the connection goes.
   *
   * @param named what was named; null: an address was
   */
  record Destination(InetSocketAddress target, @Nullable Addressable named) {}

  Source source(String text) {
    InetAddress ip = IpText.parse(text);
    if (ip != null) {
      return new Source(view.workload(new NetworkAddress(network, ip)), ip);
    }
    Workload workload = workload("src", text);
    if (workload == null) {
      throw new QuestionException(
          "src: %s is not known (expected: a workload as namespace/name, by uid or by address)"
              .formatted(text));
    }
    return new Source(workload, null);
  }

  Destination destination(String text, int port, Source source) {
    InetAddress ip = IpText.parse(text);
    if (ip != null) {
      return new Destination(new InetSocketAddress(ip, port), null);
    }
    Addressable named = named(text, source);
    return switch (named) {
      case null ->
          throw new QuestionException(
              "dst: %s is not known (expected: an address, a host name of a service, namespace/hostname or a workload as namespace/name or uid)"
                  .formatted(text));
      case Service service -> new Destination(new InetSocketAddress(vip(service), port), service);
      case Workload workload ->
          new Destination(new InetSocketAddress(address(workload), port), workload);
    };
  }

  private @Nullable Addressable named(String text, Source source) {
    NamespacedHostname key = NamespacedHostname.parse(text);
    if (key == null) {
      Service service = view.service(text, source.workload() == null ? null : source.namespace());
      return service != null
          ? service
          : view.workload(new NamespacedHostname(source.namespace(), text));
    }
    Addressable found = view.find(key);
    return found != null ? found : workload("dst", text);
  }

  private @Nullable Workload workload(String parameter, String text) {
    Workload byUid = view.workload(text);
    if (byUid != null) {
      return byUid;
    }
    NamespacedHostname name = NamespacedHostname.parse(text);
    if (name == null) {
      return null;
    }
    List<Workload> found = new ArrayList<>();
    view.forEachWorkload(
        workload -> {
          if (workload.name().equals(name.hostname())
              && workload.namespace().equals(name.namespace())) {
            found.add(workload);
          }
        });
    if (found.size() > 1) {
      throw new QuestionException(
          "%s: %s are %d workloads (expected: one of them by uid: %s)"
              .formatted(
                  parameter,
                  text,
                  found.size(),
                  found.stream().map(Workload::uid).sorted().limit(MAX_NAMED).toList()));
    }
    return found.isEmpty() ? null : found.getFirst();
  }

  /** The address a name service would give: of this network before others, IPv4 first. */
  private InetAddress vip(Service service) {
    return service.vips().stream()
        .min(
            Comparator.comparing((NetworkAddress vip) -> !vip.network().equals(network))
                .thenComparing(vip -> !(vip.ip() instanceof Inet4Address)))
        .map(NetworkAddress::ip)
        .orElseThrow(
            () ->
                new QuestionException(
                    "dst: service %s has no address of its own (expected: the address of one of its workloads)"
                        .formatted(service.key())));
  }

  private static InetAddress address(Workload workload) {
    return workload.ips().stream()
        .min(Comparator.comparing(ip -> !(ip instanceof Inet4Address)))
        .orElseThrow(
            () ->
                new QuestionException(
                    "dst: workload %s has no address (expected: a service that it belongs to)"
                        .formatted(workload.uid())));
  }
}
