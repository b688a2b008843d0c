package io.ztunnel.bench.load;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.LinkedHashMap;
import java.util.Map;

/** What was measured on, and when. */
public final class Machine {
  private Machine() {}

  /** In the order of printing; taken before the load is ours. */
  public static Map<String, String> facts() throws IOException {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("date", LocalDate.now(ZoneOffset.UTC).toString());
    facts.put("cores", Runtime.getRuntime().availableProcessors() + " cores");
    facts.put("processor", processor());
    facts.put("kernel", "Linux " + System.getProperty("os.version"));
    facts.put("jdk", "JDK " + Runtime.version());
    facts.put(
        "load",
        "load average before: " + Files.readString(Path.of("/proc/loadavg")).split(" ", 2)[0]);
    return facts;
  }

  private static String processor() throws IOException {
    return Files.readAllLines(Path.of("/proc/cpuinfo")).stream()
        .filter(line -> line.startsWith("model name"))
        .map(line -> line.substring(line.indexOf(':') + 1).strip())
        .findFirst()
        .orElse(System.getProperty("os.arch"));
  }
}
