package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * A web server of a pod ({@code python3 -m http.server}), which greets in the pod's name and closes
 * each connection after one answer. For one thread.
 */
final class WebServer {
  private static final Duration START_DEADLINE = Duration.ofSeconds(30);
  private static final Duration STOP_DEADLINE = Duration.ofSeconds(5);

  private final String greeting;
  private final LogFile log;
  private final Process process;

  private WebServer(String greeting, LogFile log, Process process) {
    this.greeting = greeting;
    this.log = log;
    this.process = process;
  }

  /** Begins to start it; see {@link #awaitStarted}. */
  static WebServer start(Lab lab, Lab.Pod pod, int port) throws IOException {
    String greeting = greeting(pod);
    Path pages = Files.createDirectories(lab.directory().resolve("pages-" + pod.name()));
    Files.writeString(pages.resolve("index.html"), greeting + "\n");
    Path log = lab.directory().resolve("web-server-" + pod.name() + ".log");
    Process process =
        pod.spawn(
            log,
            "python3",
            "-u",
            "-m",
            "http.server",
            "--directory",
            pages.toString(),
            String.valueOf(port));
    return new WebServer(greeting, LogFile.of(log), process);
  }

  /** What the server of a pod answers. */
  static String greeting(Lab.Pod pod) {
    return "Hello from " + pod.name() + '.';
  }

  /** Returns when it listens. */
  void awaitStarted() throws IOException {
    String _ = log.await(START_DEADLINE, "Serving HTTP");
  }

  String greeting() {
    return greeting;
  }

  /** The server's own log: a line a request. */
  LogFile log() {
    return log;
  }

  void stop() throws IOException {
    process.destroy();
    try {
      if (!process.waitFor(STOP_DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
        throw new IOException("a web server did not end in " + STOP_DEADLINE);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
