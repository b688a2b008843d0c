package io.ztunnel.metrics;

import io.ztunnel.metrics.MetricFamily.Section;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * {@code process_open_fds} and {@code process_max_fds}, read from {@code /proc} at every scrape.
 */
public final class ProcessMetrics {
  private static final Pattern OPEN_FILES =
      Pattern.compile("^Max open files +(\\d+|unlimited) ", Pattern.MULTILINE);

  private ProcessMetrics() {}

  /** Declares both families. */
  public static void register(MeshRegistry registry) {
    register(registry, Path.of("/proc/self"));
  }

  static void register(MeshRegistry registry, Path proc) {
    registry
        .declare(
            MetricFamily.gauge(
                Section.PROCESS, "process_open_fds", "Number of open file descriptors"))
        .readGauge(LabelSet.NONE, () -> openDescriptors(proc.resolve("fd")));
    registry
        .declare(
            MetricFamily.gauge(
                Section.PROCESS, "process_max_fds", "Maximum number of file descriptors"))
        .readGauge(LabelSet.NONE, () -> maxDescriptors(proc.resolve("limits")));
  }

  /** Zero if they cannot be counted, as the reference has it. */
  private static int openDescriptors(Path directory) {
    int count = -1; // the directory is open itself while it is read
    try (DirectoryStream<Path> descriptors = Files.newDirectoryStream(directory)) {
      for (Path _ : descriptors) {
        count++;
      }
    } catch (IOException e) {
      return 0;
    }
    return Math.max(0, count);
  }

  private static double maxDescriptors(Path limits) {
    try {
      Matcher line = OPEN_FILES.matcher(Files.readString(limits));
      if (!line.find()) {
        return 0;
      }
      return line.group(1).equals("unlimited")
          ? Double.POSITIVE_INFINITY
          : Double.parseDouble(line.group(1));
    } catch (IOException e) {
      return 0;
    }
  }
}
