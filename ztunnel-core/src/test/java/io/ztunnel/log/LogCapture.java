package io.ztunnel.log;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/** Collects what is logged while it is open, and puts everything back when it is closed. */
public final class LogCapture implements AutoCloseable {
  private final List<String> lines = new CopyOnWriteArrayList<>();
  private final LineSink oldSink = Logging.SYSTEM.sink();
  private final LogFilter oldFilter = Logging.filter();

  private LogCapture(LineFormat format, String filter) {
    Logging.SYSTEM.format(format);
    Logging.filter(LogFilter.parse(filter));
    Logging.SYSTEM.sink(line -> lines.add(new String(line, StandardCharsets.UTF_8)));
  }

  public static LogCapture plain(String filter) {
    return new LogCapture(LineFormat.PLAIN, filter);
  }

  public static LogCapture json(String filter) {
    return new LogCapture(LineFormat.JSON, filter);
  }

  /** The lines with their line ends. */
  public List<String> lines() {
    return List.copyOf(lines);
  }

  /** The lines of one target without their time, each as it is printed after the first tab. */
  public List<String> withoutTime() {
    return lines.stream().map(l -> l.substring(l.indexOf('\t') + 1)).toList();
  }

  @Override
  public void close() {
    Logging.SYSTEM.sink(oldSink);
    Logging.SYSTEM.format(LineFormat.PLAIN);
    Logging.filter(oldFilter);
  }
}
