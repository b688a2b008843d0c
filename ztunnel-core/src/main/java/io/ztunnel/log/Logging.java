package io.ztunnel.log;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.time.InstantSource;
import java.util.Map;

/**
 * The log of the process: format, filter, start and end. Until {@link #start} lines go straight to
 * {@code System.out}. Any thread.
 */
public final class Logging {
  static final LogSystem SYSTEM =
      new LogSystem(InstantSource.system(), LogFilter.initial(null), Logging::printDirectly);

  private Logging() {}

  private static void printDirectly(byte[] line) {
    System.out.write(line, 0, line.length);
    System.out.flush();
  }

  /**
   * Reads {@code RUST_LOG} and {@code LOG_FORMAT} and starts the writer on standard output; {@code
   * IllegalArgumentException} if the filter is malformed. Once per process, before anything else.
   *
   * @return ends the writer: waits a bounded time for the lines written so far
   */
  public static Session start(Map<String, String> environment) {
    String rustLog = environment.get("RUST_LOG");
    LogFilter initial;
    try {
      initial = LogFilter.initial(rustLog);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "invalid env var RUST_LOG=" + rustLog + " (" + e.getMessage() + ")", e);
    }
    SYSTEM.filter(initial);
    SYSTEM.format(
        "json".equals(environment.get("LOG_FORMAT")) ? LineFormat.JSON : LineFormat.PLAIN);
    var writer =
        new LogWriter(
            new FileOutputStream(FileDescriptor.out).getChannel(),
            LogWriter.QUEUE_LINES,
            LogWriter.QUEUE_BYTES);
    SYSTEM.sink(writer);
    return new Session(initial, writer);
  }

  /** What is logged now. */
  public static LogFilter filter() {
    return SYSTEM.filter();
  }

  /** Changes what is logged, for all targets at once. */
  public static void filter(LogFilter filter) {
    SYSTEM.filter(filter);
  }

  /** The log from start to end. */
  public static final class Session implements AutoCloseable {
    private final LogFilter initialFilter;
    private final LogWriter writer;

    private Session(LogFilter initialFilter, LogWriter writer) {
      this.initialFilter = initialFilter;
      this.writer = writer;
    }

    /** The filter of the start, to which {@code /logging?reset} goes back. */
    public LogFilter initialFilter() {
      return initialFilter;
    }

    @Override
    public void close() {
      writer.close();
    }
  }
}
