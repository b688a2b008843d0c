package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import io.ztunnel.bench.lab.Pause;
import io.ztunnel.hbone.KeyMaterial;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.TestPki;
import io.ztunnel.redirection.Lab;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A stock Envoy as the program of a pod that is not captured, with a certificate of the lab's
 * authority. For one thread.
 */
final class Envoy implements Closeable {
  private static final Duration DEADLINE = Duration.ofSeconds(20);
  private static final InetAddress LOOPBACK = InetAddress.ofLiteral("127.0.0.1");
  private static final int ADMIN_PORT = 15000;
  private static final Duration POLL = Duration.ofMillis(20);

  private final Lab.Pod pod;
  private final Path program;
  private final Path config;
  private final Path log;
  private final int port;
  private Process process;

  private Envoy(Lab.Pod pod, Path program, Path config, Path log, int port) throws IOException {
    this.pod = pod;
    this.program = program;
    this.config = config;
    this.log = log;
    this.port = port;
    this.process = spawn();
  }

  /**
   * Starts it and waits until it listens.
   *
   * @param file name of its configuration, in which {@code ${name}} stands for a value; {@code
   *     key}, {@code chain} and {@code roots} are the files of its certificate
   * @param port one that it listens on
   */
  static Envoy start(
      Scene scene,
      Lab.Pod pod,
      SpiffeId identity,
      String file,
      Map<String, String> values,
      int port)
      throws IOException {
    Path program = EnvoyProgram.find();
    Lab lab = scene.lab();
    Path directory = Files.createDirectory(lab.directory().resolve("envoy-" + pod.name()));
    KeyMaterial certificate = MeshClient.certificate(lab, identity);
    Map<String, String> all = new TreeMap<>(values);
    Map<String, String> pems =
        Map.of(
            "key", TestPki.pem(certificate.key()),
            "chain", TestPki.pem(certificate.chain()),
            "roots", TestPki.pem(certificate.roots()));
    for (Map.Entry<String, String> pem : pems.entrySet()) {
      Path written = directory.resolve(pem.getKey() + ".pem");
      all.put(pem.getKey(), Files.writeString(written, pem.getValue()).toString());
    }
    String text = Files.readString(EnvoyProgram.FILES.resolve(file));
    for (Map.Entry<String, String> value : all.entrySet()) {
      text = text.replace("${" + value.getKey() + "}", value.getValue());
    }
    Path config = Files.writeString(directory.resolve(file), text);
    Envoy envoy = new Envoy(pod, program, config, directory.resolve("log"), port);
    scene.closeLater(envoy);
    envoy.awaitListening();
    return envoy;
  }

  private Process spawn() throws IOException {
    return pod.spawn(
        log,
        program.toString(),
        "--config-path",
        config.toString(),
        "--disable-hot-restart",
        "--concurrency",
        "2",
        "--file-flush-interval-msec",
        "20",
        "--drain-strategy",
        "immediate",
        "--log-level",
        "warning");
  }

  private void awaitListening() throws IOException {
    long end = System.nanoTime() + DEADLINE.toNanos();
    while (!listens()) {
      if (!process.isAlive() || System.nanoTime() > end) {
        throw new IOException("Envoy does not listen: " + String.join("\n", lines()));
      }
      Pause.of(POLL);
    }
  }

  private boolean listens() {
    try {
      PodSockets.connect(pod, LOOPBACK, port).close();
      return true;
    } catch (IOException e) {
      return false; // not yet
    }
  }

  /** What it has written since its last start. */
  List<String> lines() throws IOException {
    return Files.readAllLines(log);
  }

  /** Waits for a line that has all these words and returns it. */
  String await(String... words) throws IOException {
    Await.until("Envoy logs " + String.join(" ", words), () -> !lines(words).isEmpty());
    return lines(words).getFirst();
  }

  private List<String> lines(String... words) throws IOException {
    return lines().stream().filter(line -> Stream.of(words).allMatch(line::contains)).toList();
  }

  /**
   * Makes it end its connections by GOAWAY, each with its next answer, while it goes on accepting;
   * until it is started again.
   */
  void drain() throws IOException {
    try (Socket admin = PodSockets.connect(pod, LOOPBACK, ADMIN_PORT)) {
      PodSockets.say(
          admin,
          "POST /drain_listeners?graceful HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      String answer = new String(admin.getInputStream().readAllBytes(), ISO_8859_1);
      if (!answer.startsWith("HTTP/1.1 200 ")) {
        throw new IOException("Envoy does not drain: " + answer);
      }
    }
  }

  /** Ends it, and with it all that goes through it. */
  void stop() throws IOException {
    process.destroy();
    try {
      if (!process.waitFor(DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
        throw new IOException("Envoy did not end in " + DEADLINE);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while waiting for the end of Envoy");
    } finally {
      process.destroyForcibly();
    }
  }

  /** Starts it again as it was. */
  void startAgain() throws IOException {
    process = spawn();
    awaitListening();
  }

  @Override
  public void close() throws IOException {
    stop();
  }
}
