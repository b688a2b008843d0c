package io.ztunnel.bench.load;

import java.util.ArrayList;
import java.util.List;

/** A kind of traffic that is measured, and what is expected of it. */
sealed interface Load {
  /** Short and unique: a column entry, and the key in JSON. */
  String name();

  /** The word that {@code --only} knows it by. */
  String group();

  /** What it is expected to reach. */
  Expectation expectation();

  /** How many times the usual warm-up it takes until the compiler is done with what it runs. */
  default int warmUps() {
    return 1;
  }

  /** Bytes as fast as they go. Rate in Gbit/s, work in GB. */
  record Bulk(int streams, Direction direction, Expectation expectation) implements Load {
    @Override
    public String name() {
      return "bulk, %d %s %s"
          .formatted(
              streams,
              streams == 1 ? "stream" : "streams",
              switch (direction) {
                case UP -> "up";
                case DOWN -> "down";
              });
    }

    @Override
    public String group() {
      return "bulk";
    }
  }

  /** Small requests over connections that stay open. Rate and work in requests. */
  record Http(int concurrency, Expectation expectation) implements Load {
    @Override
    public String name() {
      return "HTTP, c=" + concurrency;
    }

    @Override
    public String group() {
      return "http";
    }
  }

  /** One request on each connection. Rate and work in connections. */
  record NewConnections(int concurrency, Expectation expectation) implements Load {
    @Override
    public String name() {
      return "new connections, c=" + concurrency;
    }

    @Override
    public String group() {
      return "conn";
    }

    @Override
    public int warmUps() {
      return 4; // a connection runs more code than a byte
    }
  }

  /** Which way the bytes go: from the client, or to it. */
  enum Direction {
    UP,
    DOWN
  }

  /**
   * The figures of the work order.
   *
   * @param timesDirect least share of the rate of direct TCP; 0 if open
   * @param cpu most CPU of all daemons: seconds per GB for bulk, microseconds each otherwise;
   *     infinite if open
   * @param p99TimesDirect most growth of the 99th percentile; infinite if open
   */
  record Expectation(double timesDirect, double cpu, double p99TimesDirect) {
    static Expectation of(double timesDirect, double cpu) {
      return new Expectation(timesDirect, cpu, Double.POSITIVE_INFINITY);
    }
  }

  static List<Load> all(MeshPath path) {
    return switch (path) {
      case SINGLE -> {
        List<Load> loads = new ArrayList<>();
        for (Direction direction : Direction.values()) {
          loads.add(new Bulk(1, direction, Expectation.of(0.38, 1.45)));
          loads.add(new Bulk(8, direction, Expectation.of(0.26, 1.5)));
        }
        loads.add(new Http(1, new Expectation(0.41, Double.POSITIVE_INFINITY, 2.5)));
        loads.add(new Http(16, Expectation.of(0.32, 34)));
        loads.add(new Http(64, Expectation.of(0.40, 24)));
        loads.add(new Http(512, Expectation.of(0.45, 23)));
        loads.add(new NewConnections(16, Expectation.of(0.33, 220)));
        yield List.copyOf(loads);
      }
      case DOUBLE -> {
        List<Load> loads = new ArrayList<>();
        for (Direction direction : Direction.values()) {
          loads.add(new Bulk(1, direction, Expectation.of(0.23, 3.0)));
          loads.add(new Bulk(8, direction, Expectation.of(0.18, 3.0)));
        }
        loads.add(new Http(1, Expectation.of(0.25, Double.POSITIVE_INFINITY)));
        loads.add(new Http(16, Expectation.of(0.19, 58)));
        loads.add(new Http(64, Expectation.of(0.24, Double.POSITIVE_INFINITY)));
        loads.add(new Http(512, new Expectation(0, Double.POSITIVE_INFINITY, 15)));
        loads.add(new NewConnections(16, Expectation.of(0.18, 500)));
        yield List.copyOf(loads);
      }
    };
  }
}
