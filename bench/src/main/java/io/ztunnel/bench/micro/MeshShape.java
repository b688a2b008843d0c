package io.ztunnel.bench.micro;

import java.util.Random;

/**
 * A mesh of the shape that real ones have, as the control plane sends it: deployments of 20 pods
 * with hash-suffixed names behind a service with two ports each, 50 of them in a namespace, 100
 * pods on a node, nodes in three zones. Every call for one number gives the same. Immutable.
 *
 * @param workloads their number; numbered from 0
 */
public record MeshShape(int workloads) {
  private static final int PODS = 20;
  private static final int SERVICES_PER_NAMESPACE = 50;
  private static final int PODS_PER_NODE = 100;
  private static final int ZONES = 3;

  /** Of all workloads. */
  public static final String CLUSTER = "Kubernetes";

  /** Of all workloads and services. */
  public static final String NETWORK = "network-1";

  /** Kubernetes leaves out what looks like words. */
  private static final String HASH_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

  private static final int POD_RANGE = 10 << 24;
  private static final int SERVICE_RANGE = (172 << 24) | (16 << 16);

  public int services() {
    return (workloads + PODS - 1) / PODS;
  }

  /**
   * The key of a workload, which is its resource's name too.
   *
   * @param incarnation how many pods had the place before
   */
  public String workloadUid(int number, int incarnation) {
    return CLUSTER + "//Pod/" + namespace(number / PODS) + "/" + podName(number, incarnation);
  }

  /** What a workload can be asked for by besides its name: network and address. */
  public String workloadAlias(int number, int incarnation) {
    return NETWORK + '/' + text(podAddress(number, incarnation));
  }

  /** As above, of a service. */
  public String serviceAlias(int number) {
    return NETWORK + '/' + text(SERVICE_RANGE + number);
  }

  /** The name of a service's resource. */
  public String serviceName(int number) {
    return namespace(number) + "/" + hostname(number);
  }

  /** An {@code istio.workload.Address} with a workload. */
  public byte[] workload(int number) {
    return workload(number, 0, "latest");
  }

  /**
   * As above, for a pod that stands in another one's place.
   *
   * @param incarnation how many pods had the place before
   * @param revision of what runs in it
   */
  public byte[] workload(int number, int incarnation, String revision) {
    int service = number / PODS;
    int node = (int) (Integer.toUnsignedLong(number * 0x9e3779b1) % nodes());
    byte[] ports =
        ProtoBytes.of(
            out -> {
              out.writeByteArray(1, port(80, 8080));
              out.writeByteArray(1, port(443, 8443));
            });
    byte[] served =
        ProtoBytes.of(
            out -> {
              out.writeString(1, serviceName(service));
              out.writeByteArray(2, ports);
            });
    byte[] locality =
        ProtoBytes.of(
            out -> {
              out.writeString(1, "europe-west4");
              out.writeString(2, "europe-west4-" + (char) ('a' + node % ZONES));
            });
    byte[] workload =
        ProtoBytes.of(
            out -> {
              out.writeString(1, podName(number, incarnation));
              out.writeString(2, namespace(service));
              out.writeByteArray(3, address(podAddress(number, incarnation)));
              out.writeString(4, NETWORK);
              out.writeEnum(5, 1);
              out.writeString(7, name(service));
              out.writeString(9, "gke-production-pool-%05d".formatted(node));
              out.writeString(10, name(service));
              out.writeString(11, revision);
              out.writeString(13, name(service));
              out.writeString(18, CLUSTER);
              out.writeString(20, workloadUid(number, incarnation));
              out.writeByteArray(22, served);
              out.writeByteArray(24, locality);
            });
    return ProtoBytes.of(out -> out.writeByteArray(1, workload));
  }

  /** An {@code istio.workload.Address} with a service. */
  public byte[] service(int number) {
    byte[] vip =
        ProtoBytes.of(
            out -> {
              out.writeString(1, NETWORK);
              out.writeByteArray(2, address(SERVICE_RANGE + number));
            });
    byte[] service =
        ProtoBytes.of(
            out -> {
              out.writeString(1, name(number));
              out.writeString(2, namespace(number));
              out.writeString(3, hostname(number));
              out.writeByteArray(4, vip);
              out.writeByteArray(5, port(80, 8080));
              out.writeByteArray(5, port(443, 8443));
              out.writeEnum(9, 1);
              out.writeBool(11, true);
            });
    return ProtoBytes.of(out -> out.writeByteArray(2, service));
  }

  private int nodes() {
    return (workloads + PODS_PER_NODE - 1) / PODS_PER_NODE;
  }

  private static String name(int service) {
    return "checkout-" + service;
  }

  private static String namespace(int service) {
    return "team-" + service / SERVICES_PER_NAMESPACE;
  }

  private static String hostname(int service) {
    return name(service) + "." + namespace(service) + ".svc.cluster.local";
  }

  private static String podName(int number, int incarnation) {
    int service = number / PODS;
    int seed = ~number + incarnation * 0x61c88647;
    return name(service) + "-" + hash(service, 10) + "-" + hash(seed, 5);
  }

  /** Those who come later have addresses behind all others. */
  private int podAddress(int number, int incarnation) {
    return POD_RANGE + number + incarnation * workloads;
  }

  private static String text(int ip) {
    return "%d.%d.%d.%d".formatted(ip >>> 24, ip >> 16 & 0xff, ip >> 8 & 0xff, ip & 0xff);
  }

  private static String hash(int seed, int length) {
    Random random = new Random(seed);
    StringBuilder text = new StringBuilder(length);
    for (int i = 0; i < length; i++) {
      text.append(HASH_LETTERS.charAt(random.nextInt(HASH_LETTERS.length())));
    }
    return text.toString();
  }

  private static byte[] address(int ip) {
    return new byte[] {(byte) (ip >> 24), (byte) (ip >> 16), (byte) (ip >> 8), (byte) ip};
  }

  private static byte[] port(int service, int target) {
    return ProtoBytes.of(
        out -> {
          out.writeUInt32(1, service);
          out.writeUInt32(2, target);
        });
  }
}
