package io.ztunnel.redirection;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Runs one program of the machine to its end, with a deadline. Stateless. */
final class LabCommand {
  private LabCommand() {}

  /** Runs the program and fails unless it ends with 0. */
  static String run(Duration deadline, String input, List<String> command) throws IOException {
    Lab.Output output = runAnyway(deadline, input, command);
    if (output.exitStatus() != 0) {
      throw new IOException(
          "%s: exit status %d: %s%s"
              .formatted(
                  String.join(" ", command), output.exitStatus(), output.out(), output.err()));
    }
    return output.out();
  }

  /** Runs the program, whatever its exit status. Files take the output, so no pipe can fill up. */
  static Lab.Output runAnyway(Duration deadline, String input, List<String> command)
      throws IOException {
    Path in = Files.createTempFile("ztt-in", "");
    Path out = Files.createTempFile("ztt-out", "");
    Path err = Files.createTempFile("ztt-err", "");
    try {
      Files.writeString(in, input);
      Process process =
          new ProcessBuilder(command)
              .redirectInput(in.toFile())
              .redirectOutput(out.toFile())
              .redirectError(err.toFile())
              .start();
      int exitStatus = await(process, deadline, command);
      return new Lab.Output(exitStatus, read(out), read(err));
    } finally {
      Files.deleteIfExists(in);
      Files.deleteIfExists(out);
      Files.deleteIfExists(err);
    }
  }

  private static int await(Process process, Duration deadline, List<String> command)
      throws IOException {
    try {
      if (process.waitFor(deadline.toNanos(), TimeUnit.NANOSECONDS)) {
        return process.exitValue();
      }
      throw new IOException(
          "%s: still running after %d ms"
              .formatted(String.join(" ", command), deadline.toMillis()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(String.join(" ", command) + ": interrupted", e);
    } finally {
      end(process);
    }
  }

  /** Ends a process of ours and all that it started. */
  static void end(Process process) {
    process.descendants().forEach(ProcessHandle::destroyForcibly);
    process.destroyForcibly();
  }

  private static String read(Path file) throws IOException {
    return new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
  }
}
