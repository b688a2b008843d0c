package io.ztunnel.xds;

import com.google.protobuf.CodedOutputStream;
import io.ztunnel.xds.FakeControlPlane.Entry;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * The program that gives the daemon a mesh in the training run for its AOT cache (docker/train), so
 * that a daemon that starts has seen how one is read. Ends by itself, long after that.
 */
public final class TrainingControlPlane {
  private static final int WORKLOADS = 20_000;
  private static final int PODS = 20;
  private static final int MINUTES = 5;

  private TrainingControlPlane() {}

  /** Writes what a message consists of. */
  @FunctionalInterface
  private interface Fields {
    void write(CodedOutputStream out) throws IOException;
  }

  /**
   * Serves.
   *
   * @param arguments files for the root certificate and, when that is there, for the port
   */
  public static void main(String... arguments) throws IOException, InterruptedException {
    ControlPlanePki pki = ControlPlanePki.create("training");
    Files.writeString(Path.of(arguments[0]), pki.rootPem());
    try (FakeControlPlane control = FakeControlPlane.options().start(pki)) {
      control.put(FakeControlPlane.ADDRESS, mesh());
      Path port = Path.of(arguments[1]);
      Path unfinished = port.resolveSibling(port.getFileName() + ".new");
      Files.writeString(unfinished, String.valueOf(control.port()));
      Files.move(unfinished, port, StandardCopyOption.ATOMIC_MOVE);
      TimeUnit.MINUTES.sleep(MINUTES);
    }
  }

  private static List<Entry> mesh() throws IOException {
    List<Entry> mesh = new ArrayList<>();
    for (int number = 0; number < WORKLOADS; number++) {
      String pod = "app-%d-7d4b9c6f5-%05d".formatted(number / PODS, number);
      byte[] payload = workload(number, pod);
      mesh.add(Entry.of("Kubernetes//Pod/training/" + pod, payload).aliases("/10.0.0." + number));
    }
    for (int number = 0; number < WORKLOADS / PODS; number++) {
      mesh.add(Entry.of("training/" + hostname(number), service(number)));
    }
    return mesh;
  }

  private static String hostname(int service) {
    return "app-" + service + ".training.svc.cluster.local";
  }

  private static byte[] workload(int number, String pod) throws IOException {
    int service = number / PODS;
    byte[] port = port();
    byte[] ports = message(out -> out.writeByteArray(1, port));
    byte[] served =
        message(
            out -> {
              out.writeString(1, "training/" + hostname(service));
              out.writeByteArray(2, ports);
            });
    byte[] locality = message(out -> out.writeString(1, "region"));
    byte[] workload =
        message(
            out -> {
              out.writeString(1, pod);
              out.writeString(2, "training");
              out.writeByteArray(3, address(10, number));
              out.writeEnum(5, 1);
              out.writeString(7, "app");
              out.writeString(9, "node-" + number % 100);
              out.writeString(10, "app-" + service);
              out.writeString(11, "v1");
              out.writeString(13, "app-" + service);
              out.writeString(18, "Kubernetes");
              out.writeString(20, "Kubernetes//Pod/training/" + pod);
              out.writeByteArray(22, served);
              out.writeByteArray(24, locality);
            });
    return message(out -> out.writeByteArray(1, workload));
  }

  private static byte[] service(int number) throws IOException {
    byte[] vip = message(out -> out.writeByteArray(2, address(172, number)));
    byte[] port = port();
    byte[] service =
        message(
            out -> {
              out.writeString(1, "app-" + number);
              out.writeString(2, "training");
              out.writeString(3, hostname(number));
              out.writeByteArray(4, vip);
              out.writeByteArray(5, port);
            });
    return message(out -> out.writeByteArray(2, service));
  }

  private static byte[] port() throws IOException {
    return message(
        out -> {
          out.writeUInt32(1, 80);
          out.writeUInt32(2, 8080);
        });
  }

  private static byte[] address(int first, int number) {
    return new byte[] {(byte) first, (byte) (number >> 16), (byte) (number >> 8), (byte) number};
  }

  private static byte[] message(Fields fields) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    CodedOutputStream out = CodedOutputStream.newInstance(bytes);
    fields.write(out);
    out.flush();
    return bytes.toByteArray();
  }
}
