package io.ztunnel.app;

import io.ztunnel.log.Logging;
import java.io.PrintStream;
import java.util.List;
import java.util.Map;

/** The command line: {@code proxy}, {@code version} and {@code help} (Istio ztunnel). */
public final class Main {
  private static final String HELP =
      """
      Istio ambient node proxy (ztunnel), the Java implementation.

      Commands:
        proxy     run the proxy (default)
        version   print build information
        help      print this
      """;

  private Main() {}

  /** Runs a command and ends the process with its status. */
  public static void main(String[] args) {
    System.exit(run(List.of(args), System.getenv(), System.out, System.err));
  }

  static int run(
      List<String> arguments, Map<String, String> environment, PrintStream out, PrintStream err) {
    Logging.Session log;
    try {
      log = Logging.start(environment);
    } catch (IllegalArgumentException e) {
      err.println("ztunnel: " + e.getMessage());
      return 1;
    }
    try (log) {
      return switch (arguments.isEmpty() ? "proxy" : arguments.getFirst()) {
        case "proxy" -> proxy(arguments, environment, log);
        case "version" -> {
          out.println(Version.current(environment));
          yield 0;
        }
        case "help" -> {
          out.print(HELP);
          yield 0;
        }
        default -> {
          err.println("unknown command: " + arguments.getFirst());
          out.print(HELP);
          yield 1;
        }
      };
    } catch (ConfigException
        | StartException e) { // the log is written by now: this is the last line
      err.println("ztunnel: " + e.getMessage());
      return 1;
    }
  }

  private static int proxy(
      List<String> arguments, Map<String, String> environment, Logging.Session log)
      throws StartException {
    Config config = Config.from(environment, arguments, Host.local());
    return Ztunnel.run(config, Version.current(environment), log);
  }
}
