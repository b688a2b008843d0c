package io.ztunnel.bench.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.ztunnel.redirection.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * What tcpdump saw of TCP traffic at one place, from {@link #start} to {@link #stop}. For one
 * thread.
 */
final class Capture {
  /**
   * The first byte of a TCP segment's payload, in tcpdump's language; tcp[12] has the header's
   * length.
   */
  private static final String FIRST_PAYLOAD_BYTE = "tcp[((tcp[12] & 0xf0) >> 2)]";

  /**
   * How much of a packet is kept. The kernel's ring has frames of this size: with whole packets it
   * had room for eight of them, and lost what came while tcpdump waited for a processor.
   */
  private static final String SNAPSHOT_BYTES = "2048";

  private static final Duration DEADLINE = Duration.ofSeconds(15);

  private static final Duration QUIET = Duration.ofMillis(300);

  /** What a file without a packet has. */
  private static final int FILE_HEADER_BYTES = 24;

  private final Path file;
  private final Path log;
  private final Process process;

  private Capture(Path file, Path log, Process process) {
    this.file = file;
    this.log = log;
    this.process = process;
  }

  /** Returns when it captures. */
  static Capture start(Lab.Place place, String networkInterface, int port, Path file)
      throws IOException {
    Path log = Path.of(file + ".log");
    Process process =
        place.spawn(
            log,
            "tcpdump",
            "-n",
            "-i",
            networkInterface,
            "-s",
            SNAPSHOT_BYTES,
            "-U",
            "--immediate-mode",
            "-Z",
            "root",
            "-w",
            file.toString(),
            "tcp port " + port);
    long deadline = System.nanoTime() + DEADLINE.toNanos();
    while (!Files.readString(log).contains("listening on")) {
      if (!process.isAlive() || System.nanoTime() > deadline) {
        process.destroyForcibly();
        throw new IOException("tcpdump does not capture: " + Files.readString(log).strip());
      }
      Pause.of(Duration.ofMillis(20));
    }
    return new Capture(file, log, process);
  }

  /** Waits until a text was seen; false if it was not before the deadline. */
  boolean awaitText(String text, Duration deadline) throws IOException {
    long end = System.nanoTime() + deadline.toNanos();
    while (occurrences(text) == 0) {
      if (System.nanoTime() > end) {
        return false;
      }
      Pause.of(QUIET);
    }
    return true;
  }

  /** Ends it once packets have arrived in the file, and then no more for a moment. */
  void stop() throws IOException {
    long end = System.nanoTime() + DEADLINE.toNanos();
    long before = 0;
    long now = Files.size(file);
    while ((now != before || now <= FILE_HEADER_BYTES) && System.nanoTime() < end) {
      Pause.of(QUIET);
      before = now;
      now = Files.size(file);
    }
    process.destroy();
    try {
      if (!process.waitFor(DEADLINE.toSeconds(), TimeUnit.SECONDS)) {
        process.destroyForcibly();
        throw new IOException("tcpdump did not end in " + DEADLINE);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** What tcpdump says about itself, at its end with the numbers of packets. */
  String said() throws IOException {
    return String.join("; ", Files.readAllLines(log));
  }

  /** How many packets fit a filter; an empty filter fits all. */
  long packets(Lab.Place place, String filter) throws IOException {
    Lab.Output output = place.exec(DEADLINE, "tcpdump", "-n", "-t", "-r", file.toString(), filter);
    if (output.exitStatus() != 0) {
      throw new IOException("tcpdump -r: " + output.err().strip());
    }
    return output.out().lines().count();
  }

  /** How many packets begin with a TLS record of this type. */
  long tlsRecords(Lab.Place place, int recordType) throws IOException {
    return packets(place, "%s = %d".formatted(FIRST_PAYLOAD_BYTE, recordType));
  }

  /** How often a text is in the captured bytes as it is. */
  int occurrences(String text) throws IOException {
    byte[] haystack = Files.readAllBytes(file);
    byte[] needle = text.getBytes(UTF_8);
    int found = 0;
    for (int at = 0; at + needle.length <= haystack.length; at++) {
      int length = 0;
      while (length < needle.length && haystack[at + length] == needle[length]) {
        length++;
      }
      if (length == needle.length) {
        found++;
      }
    }
    return found;
  }
}
