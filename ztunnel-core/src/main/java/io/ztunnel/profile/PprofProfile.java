package io.ztunnel.profile;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A profile as {@code go tool pprof} reads it: the message {@code perftools.profiles.Profile}
 * (github.com/google/pprof, profile.proto), not compressed. Samples of one stack and label are
 * added up; of more stacks than the bound the rest is added up under one name. Confined to the
 * thread that makes it.
 */
final class PprofProfile {
  /** The most different stacks; each costs some 100 bytes. */
  static final int MAX_STACKS = 50_000;

  /** What stacks beyond the bound are added to. */
  private static final List<Frame> OTHERS = List.of(new Frame("[other stacks]", "", 0));

  /** What one number of a sample means: {@code cpu} in {@code nanoseconds}. Immutable. */
  record ValueType(String type, String unit) {}

  /**
   * One place in the code. Immutable.
   *
   * @param line 0: not known
   */
  record Frame(String function, String file, int line) {}

  /**
   * What makes samples the same. Immutable.
   *
   * @param frames the innermost first
   * @param thread empty: not told
   */
  private record Stack(List<Frame> frames, String thread) {}

  private final List<ValueType> types;
  private final ValueType periodType;
  private final long period;
  private final Map<Stack, long[]> samples = new LinkedHashMap<>();

  /**
   * An empty profile.
   *
   * @param types of the numbers of each sample; the last is shown first
   * @param period how much of {@code periodType} passes between samples; 0: not known
   */
  PprofProfile(List<ValueType> types, ValueType periodType, long period) {
    this.types = List.copyOf(types);
    this.periodType = periodType;
    this.period = period;
  }

  void add(List<Frame> frames, String thread, long... values) {
    if (values.length != types.size()) {
      throw new IllegalArgumentException(
          "values: " + values.length + " (expected: " + types.size() + ")");
    }
    Stack stack = new Stack(List.copyOf(frames), thread);
    long[] sum = samples.get(stack);
    if (sum == null) {
      boolean room = samples.size() < MAX_STACKS;
      sum =
          samples.computeIfAbsent(
              room ? stack : new Stack(OTHERS, ""), _ -> new long[types.size()]);
    }
    for (int i = 0; i < values.length; i++) {
      sum[i] += values[i];
    }
  }

  /** The message. */
  byte[] encode(Instant begin, Duration duration) {
    return new Encoding().encode(begin, duration);
  }

  /** Field numbers of the message and of those in it. */
  private static final class Field {
    static final int SAMPLE_TYPE = 1;
    static final int SAMPLE = 2;
    static final int LOCATION = 4;
    static final int FUNCTION = 5;
    static final int STRING = 6;
    static final int TIME_NANOS = 9;
    static final int DURATION_NANOS = 10;
    static final int PERIOD_TYPE = 11;
    static final int PERIOD = 12;
    static final int DEFAULT_SAMPLE_TYPE = 14;

    static final int TYPE_TYPE = 1;
    static final int TYPE_UNIT = 2;
    static final int SAMPLE_LOCATION = 1;
    static final int SAMPLE_VALUE = 2;
    static final int SAMPLE_LABEL = 3;
    static final int LABEL_KEY = 1;
    static final int LABEL_STRING = 2;
    static final int LOCATION_ID = 1;
    static final int LOCATION_LINE = 4;
    static final int LINE_FUNCTION = 1;
    static final int LINE_LINE = 2;
    static final int FUNCTION_ID = 1;
    static final int FUNCTION_NAME = 2;
    static final int FUNCTION_SYSTEM_NAME = 3;
    static final int FUNCTION_FILE = 4;

    private Field() {}
  }

  /** Writes a message. */
  private interface Message {
    void writeTo(CodedOutputStream out) throws IOException;
  }

  /** One message in the making, with its tables. */
  private final class Encoding {
    private final Map<String, Long> strings = new LinkedHashMap<>();
    private final Map<Frame, Long> locations = new LinkedHashMap<>();
    private final Map<String, Long> functions = new LinkedHashMap<>();
    private final Map<String, String> files = new LinkedHashMap<>();

    Encoding() {
      string(""); // the first one must be
    }

    byte[] encode(Instant begin, Duration duration) {
      var bytes = new ByteArrayOutputStream();
      try {
        CodedOutputStream out = CodedOutputStream.newInstance(bytes);
        for (ValueType type : types) {
          message(out, Field.SAMPLE_TYPE, valueType(type));
        }
        for (Map.Entry<Stack, long[]> sample : samples.entrySet()) {
          message(out, Field.SAMPLE, sample(sample.getKey(), sample.getValue()));
        }
        for (Map.Entry<Frame, Long> location : locations.entrySet()) {
          message(out, Field.LOCATION, location(location.getKey(), location.getValue()));
        }
        for (Map.Entry<String, Long> function : functions.entrySet()) {
          message(out, Field.FUNCTION, function(function.getKey(), function.getValue()));
        }
        out.writeInt64(Field.TIME_NANOS, begin.getEpochSecond() * 1_000_000_000L + begin.getNano());
        out.writeInt64(Field.DURATION_NANOS, duration.toNanos());
        message(out, Field.PERIOD_TYPE, valueType(periodType));
        out.writeInt64(Field.PERIOD, period);
        out.writeInt64(Field.DEFAULT_SAMPLE_TYPE, string(types.getLast().type()));
        for (String string : strings.keySet()) {
          out.writeString(Field.STRING, string); // last, when all are known
        }
        out.flush();
      } catch (IOException e) {
        throw new UncheckedIOException("writing to memory", e);
      }
      return bytes.toByteArray();
    }

    private long string(String text) {
      return strings.computeIfAbsent(text, _ -> (long) strings.size());
    }

    private long function(Frame frame) {
      files.putIfAbsent(frame.function(), frame.file());
      return functions.computeIfAbsent(frame.function(), _ -> functions.size() + 1L);
    }

    private Message valueType(ValueType type) {
      long name = string(type.type());
      long unit = string(type.unit());
      return out -> {
        out.writeInt64(Field.TYPE_TYPE, name);
        out.writeInt64(Field.TYPE_UNIT, unit);
      };
    }

    private Message sample(Stack stack, long[] values) {
      List<Long> ids = new ArrayList<>(stack.frames().size());
      for (Frame frame : stack.frames()) {
        ids.add(locations.computeIfAbsent(frame, _ -> locations.size() + 1L));
      }
      return out -> {
        for (long id : ids) {
          out.writeUInt64(Field.SAMPLE_LOCATION, id);
        }
        for (long value : values) {
          out.writeInt64(Field.SAMPLE_VALUE, value);
        }
        if (!stack.thread().isEmpty()) {
          long key = string("thread");
          long name = string(stack.thread());
          message(
              out,
              Field.SAMPLE_LABEL,
              label -> {
                label.writeInt64(Field.LABEL_KEY, key);
                label.writeInt64(Field.LABEL_STRING, name);
              });
        }
      };
    }

    private Message location(Frame frame, long id) {
      long function = function(frame);
      return out -> {
        out.writeUInt64(Field.LOCATION_ID, id);
        message(
            out,
            Field.LOCATION_LINE,
            line -> {
              line.writeUInt64(Field.LINE_FUNCTION, function);
              line.writeInt64(Field.LINE_LINE, frame.line());
            });
      };
    }

    private Message function(String name, long id) {
      long text = string(name);
      long file = string(files.getOrDefault(name, ""));
      return out -> {
        out.writeUInt64(Field.FUNCTION_ID, id);
        out.writeInt64(Field.FUNCTION_NAME, text);
        out.writeInt64(Field.FUNCTION_SYSTEM_NAME, text);
        out.writeInt64(Field.FUNCTION_FILE, file);
      };
    }

    private static void message(CodedOutputStream out, int field, Message message)
        throws IOException {
      var bytes = new ByteArrayOutputStream();
      CodedOutputStream inner = CodedOutputStream.newInstance(bytes);
      message.writeTo(inner);
      inner.flush();
      out.writeByteArray(field, bytes.toByteArray());
    }
  }

  @Override
  public String toString() {
    return "PprofProfile[" + types + ", stacks " + samples.size() + "]";
  }
}
