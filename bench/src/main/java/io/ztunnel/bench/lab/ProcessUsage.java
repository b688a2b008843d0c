package io.ztunnel.bench.lab;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/** What a process has used, as the kernel tells in {@code /proc}. */
public final class ProcessUsage {
  /**
   * USER_HZ, the unit of the times in {@code /proc/PID/stat}: 100 on every Linux platform that Java
   * runs on.
   */
  private static final long TICKS_PER_SECOND = 100;

  private ProcessUsage() {}

  /** User and system time of all threads since the start, dead threads included; 10 ms steps. */
  public static Duration cpuTime(long pid) throws IOException {
    return cpuTime(Files.readString(Path.of("/proc/" + pid + "/stat")));
  }

  /**
   * The same of those of its threads that live and whose names begin so. The kernel keeps the first
   * 15 characters of a name.
   */
  public static Duration cpuTime(long pid, String threads) throws IOException {
    Duration sum = Duration.ZERO;
    try (DirectoryStream<Path> tasks =
        Files.newDirectoryStream(Path.of("/proc/" + pid + "/task"))) {
      for (Path task : tasks) {
        try {
          if (Files.readString(task.resolve("comm")).startsWith(threads)) {
            sum = sum.plus(cpuTime(Files.readString(task.resolve("stat"))));
          }
        } catch (IOException e) {
          if (Files.exists(task)) {
            throw e;
          } // else it has ended since
        }
      }
    }
    return sum;
  }

  /**
   * Fields 14 and 15 of proc(5); counted from the last parenthesis, because field 2 is any text.
   */
  static Duration cpuTime(String stat) {
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    long ticks = Long.parseLong(fields[14 - 3]) + Long.parseLong(fields[15 - 3]);
    return Duration.ofMillis(ticks * 1000 / TICKS_PER_SECOND);
  }

  /** Resident memory in bytes. */
  public static long residentBytes(long pid) throws IOException {
    return residentBytes(Files.readString(Path.of("/proc/" + pid + "/status")));
  }

  /** The most memory that was ever resident, in bytes. */
  public static long peakResidentBytes(long pid) throws IOException {
    return bytes("VmHWM", Files.readString(Path.of("/proc/" + pid + "/status")));
  }

  static long residentBytes(String status) {
    return bytes("VmRSS", status);
  }

  private static long bytes(String field, String status) {
    return status
            .lines()
            .filter(line -> line.startsWith(field + ':'))
            .map(line -> line.replaceAll("\\D", ""))
            .mapToLong(Long::parseLong)
            .findFirst()
            .orElseThrow(
                () -> new IllegalArgumentException("no %s line (expected: one)".formatted(field)))
        * 1024;
  }
}
