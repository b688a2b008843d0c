package io.ztunnel.bench.micro;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
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
  private static final String CLUSTER = "Kubernetes";

  /** Kubernetes leaves out what looks like words. */
  private static final String HASH_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

  private static final int POD_RANGE = 10 << 24;
  private static final int SERVICE_RANGE = (172 << 24) | (16 << 16);

  public int services() {
    return (workloads + PODS - 1) / PODS;
  }

  /** The key of a workload, which is its resource's name too. */
  public String workloadUid(int number) {
    return CLUSTER + "//Pod/" + namespace(number / PODS) + "/" + podName(number);
  }

  /** The name of a service's resource. */
  public String serviceName(int number) {
    return namespace(number) + "/" + hostname(number);
  }

  /** An {@code istio.workload.Address} with a workload. */
  public byte[] workload(int number) {
    int service = number / PODS;
    int node = (int) (Integer.toUnsignedLong(number * 0x9e3779b1) % nodes());
    byte[] ports =
        message(
            out -> {
              out.writeByteArray(1, port(80, 8080));
              out.writeByteArray(1, port(443, 8443));
            });
    byte[] served =
        message(
            out -> {
              out.writeString(1, serviceName(service));
              out.writeByteArray(2, ports);
            });
    byte[] locality =
        message(
            out -> {
              out.writeString(1, "europe-west4");
              out.writeString(2, "europe-west4-" + (char) ('a' + node % ZONES));
            });
    byte[] workload =
        message(
            out -> {
              out.writeString(1, podName(number));
              out.writeString(2, namespace(service));
              out.writeByteArray(3, address(POD_RANGE + number));
              out.writeString(4, "network-1");
              out.writeEnum(5, 1);
              out.writeString(7, name(service));
              out.writeString(9, "gke-production-pool-%05d".formatted(node));
              out.writeString(10, name(service));
              out.writeString(11, "latest");
              out.writeString(13, name(service));
              out.writeString(18, CLUSTER);
              out.writeString(20, workloadUid(number));
              out.writeByteArray(22, served);
              out.writeByteArray(24, locality);
            });
    return message(out -> out.writeByteArray(1, workload));
  }

  /** An {@code istio.workload.Address} with a service. */
  public byte[] service(int number) {
    byte[] vip =
        message(
            out -> {
              out.writeString(1, "network-1");
              out.writeByteArray(2, address(SERVICE_RANGE + number));
            });
    byte[] service =
        message(
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
    return message(out -> out.writeByteArray(2, service));
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

  private static String podName(int number) {
    int service = number / PODS;
    return name(service) + "-" + hash(service, 10) + "-" + hash(~number, 5);
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
    return message(
        out -> {
          out.writeUInt32(1, service);
          out.writeUInt32(2, target);
        });
  }

  private interface Fields {
    void write(CodedOutputStream out) throws IOException;
  }

  private static byte[] message(Fields fields) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    CodedOutputStream out = CodedOutputStream.newInstance(bytes);
    try {
      fields.write(out);
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // there is no device
    }
    return bytes.toByteArray();
  }
}
