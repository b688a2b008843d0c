package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.opentest4j.TestAbortedException;

/** What a test needs of the machine; a test that goes without says so on the console. */
public final class Requirements {
  private Requirements() {}

  public static void assumeLabWith(String... programs) {
    String reason = Lab.unavailableReason();
    for (String program : programs) {
      if (reason.isEmpty() && !isOnPath(program)) {
        reason = "needs the program " + program;
      }
    }
    if (!reason.isEmpty()) {
      throw skipped(reason);
    }
  }

  /** Says it on the console; thrown, it skips the test. */
  public static TestAbortedException skipped(String reason) {
    System.err.println("SKIPPED: " + reason);
    return new TestAbortedException(reason);
  }

  private static boolean isOnPath(String program) {
    return Stream.of((System.getenv("PATH") + ":/usr/sbin:/sbin").split(":", -1))
        .anyMatch(directory -> Files.isExecutable(Path.of(directory, program)));
  }
}
