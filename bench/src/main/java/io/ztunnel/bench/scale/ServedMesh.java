package io.ztunnel.bench.scale;

import io.ztunnel.bench.micro.MeshShape;
import io.ztunnel.bench.micro.ProtoBytes;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * A mesh that changes, as responses of delta xDS. Two numbers say how it is now, so that a control
 * plane that is started again goes on where the last one was killed. For one thread.
 */
final class ServedMesh {
  /** The type of workloads and services. */
  static final String ADDRESS = "type.googleapis.com/istio.workload.Address";

  private final MeshShape shape;
  private final List<NodePod> pods;

  /** The workloads by number, in an order as arbitrary as that of a control plane's maps. */
  private final int[] order;

  private int revision;
  private int replaced;

  /**
   * A mesh.
   *
   * @param pods those that exist
   * @param revision how often everything has changed
   * @param replaced how many pods were replaced by others
   */
  ServedMesh(MeshShape shape, List<NodePod> pods, int revision, int replaced) {
    this.shape = shape;
    this.pods = List.copyOf(pods);
    this.revision = revision;
    this.replaced = replaced;
    this.order = shuffled(shape.workloads());
  }

  private static int[] shuffled(int count) {
    SplittableRandom random = new SplittableRandom(count);
    int[] order = new int[count];
    for (int i = 0; i < count; i++) {
      int other = random.nextInt(i + 1);
      order[i] = order[other];
      order[other] = i;
    }
    return order;
  }

  int revision() {
    return revision;
  }

  int replaced() {
    return replaced;
  }

  /** Changes every workload and service. */
  void revise() {
    revision++;
  }

  /** The response that says all. */
  byte[] everything(String nonce) {
    return lacking(nonce, Map.of());
  }

  /**
   * The response to a client that begins a stream.
   *
   * @param echoed the versions that it holds, by name
   */
  byte[] lacking(String nonce, Map<String, String> echoed) {
    Set<String> gone = new HashSet<>(echoed.keySet());
    return response(
        nonce,
        gone,
        out -> {
          for (int position = 0; position < order.length; position++) {
            String name = shape.workloadUid(order[position], incarnation(position));
            gone.remove(name);
            if (!version(name).equals(echoed.get(name))) {
              out.writeByteArray(2, workload(position));
            }
          }
          for (NodePod pod : pods) {
            gone.remove(pod.uid());
            if (!version(pod.uid()).equals(echoed.get(pod.uid()))) {
              out.writeByteArray(2, resource(pod.uid(), pod.workload(), pod.alias()));
            }
          }
          for (int number = 0; number < shape.services(); number++) {
            String name = shape.serviceName(number);
            gone.remove(name);
            if (!version(name).equals(echoed.get(name))) {
              out.writeByteArray(
                  2, resource(name, shape.service(number), shape.serviceAlias(number)));
            }
          }
        });
  }

  /**
   * Replaces pods by others, as rollouts do: half of the changes are new pods, half are gone ones.
   *
   * @return the response that says so
   */
  byte[] replace(String nonce, int changes) {
    Set<String> gone = new HashSet<>();
    return response(
        nonce,
        gone,
        out -> {
          for (int i = 0; i < changes / 2; i++) {
            int position = replaced % order.length;
            gone.add(shape.workloadUid(order[position], incarnation(position)));
            replaced++;
            out.writeByteArray(2, workload(position));
          }
        });
  }

  /** How many pods had the place before. */
  private int incarnation(int position) {
    return replaced / order.length + (position < replaced % order.length ? 1 : 0);
  }

  private byte[] workload(int position) {
    int number = order[position];
    int incarnation = incarnation(position);
    return resource(
        shape.workloadUid(number, incarnation),
        shape.workload(number, incarnation, revision == 0 ? "latest" : "v" + revision),
        shape.workloadAlias(number, incarnation));
  }

  /** 64 bits in hexadecimal, different for each revision. */
  private String version(String name) {
    return Long.toHexString((name.hashCode() + ((long) revision << 32)) * 0x9e3779b97f4a7c15L);
  }

  private byte[] resource(String name, byte[] payload, String alias) {
    byte[] any =
        ProtoBytes.of(
            out -> {
              out.writeString(1, ADDRESS);
              out.writeByteArray(2, payload);
            });
    return ProtoBytes.of(
        out -> {
          out.writeString(1, version(name));
          out.writeByteArray(2, any);
          out.writeString(3, name);
          out.writeString(4, alias);
        });
  }

  /**
   * A response.
   *
   * @param gone the names of what is gone, by the time that the resources are written
   */
  private static byte[] response(String nonce, Set<String> gone, ProtoBytes.Fields resources) {
    return ProtoBytes.of(
        out -> {
          resources.write(out);
          out.writeString(4, ADDRESS);
          out.writeString(5, nonce);
          for (String name : gone) {
            out.writeString(6, name);
          }
        });
  }
}
