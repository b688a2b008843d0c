package io.ztunnel.profile;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A profile as {@code go tool pprof} reads it: the message {@code perftools.profiles.Profile}
 * (github.com/google/pprof, profile.proto), not compressed. Samples of one stack and thread are
 * added up. A stack is kept as numbers, each different text, function and line once; what is kept
 * is counted in bytes, and samples of stacks for which there is no room are added up under one
 * name. Confined to the thread that makes it.
 */
final class PprofProfile {
  /**
   * The most that is kept, in bytes of heap: some 40,000 different stacks of 60 frames, if the
   * frames are of a few thousand lines. The message is shorter than what it is made of.
   */
  static final long MAX_BYTES = 16 << 20;

  /** A boxed pair of numbers. */
  private static final long PAIR_BYTES = 24;

  /** Most messages in the message are shorter. */
  private static final int MESSAGE_BYTES = 256;

  private static final String THREAD = "thread";

  /** What samples without room are added to. */
  private static final List<Frame> OTHERS = List.of(new Frame("[other stacks]", "", 0));

  /** What one number of a sample means: {@code cpu} in {@code nanoseconds}. Immutable. */
  record ValueType(String type, String unit) {}

  /**
   * One place in the code. Immutable.
   *
   * @param line 0: not known
   */
  record Frame(String function, String file, int line) {}

  /** What makes samples the same. Immutable. */
  private static final class Stack {
    /** Their numbers, the innermost first. */
    private final int[] locations;

    /** The number of the name; of the empty one: not told. */
    private final int thread;

    private final int hash;

    Stack(int[] locations, int thread) {
      this.locations = locations;
      this.thread = thread;
      this.hash = 31 * Arrays.hashCode(locations) + thread;
    }

    @Override
    public boolean equals(@Nullable Object other) {
      return other instanceof Stack stack
          && stack.thread == thread
          && Arrays.equals(stack.locations, locations);
    }

    @Override
    public int hashCode() {
      return hash;
    }
  }

  private final List<ValueType> types;
  private final ValueType periodType;
  private final long period;
  private final Room room = new Room(MAX_BYTES);
  private final Numbered<String> strings =
      new Numbered<>(room, text -> 24 + 24 + 2L * text.length());

  /** By the numbers of name and file. */
  private final Numbered<Long> functions = new Numbered<>(room, _ -> PAIR_BYTES);

  /** By the function's number and the line. */
  private final Numbered<Long> locations = new Numbered<>(room, _ -> PAIR_BYTES);

  private final Map<Stack, long[]> samples = new LinkedHashMap<>();
  private final Stack others;

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
    strings.of(""); // the first one must be
    strings.of(THREAD);
    for (ValueType type : types) {
      strings.of(type.type());
      strings.of(type.unit());
    }
    strings.of(periodType.type());
    strings.of(periodType.unit());
    others = Objects.requireNonNull(stack(OTHERS, ""));
    room.take(bytes(others));
  }

  void add(List<Frame> frames, String thread, long... values) {
    if (values.length != types.size()) {
      throw new IllegalArgumentException(
          "values: " + values.length + " (expected: " + types.size() + ")");
    }
    long[] sum = sum(stack(frames, thread));
    for (int i = 0; i < values.length; i++) {
      sum[i] += values[i];
    }
  }

  private long[] sum(@Nullable Stack stack) {
    long[] known = stack == null ? null : samples.get(stack);
    if (known != null) {
      return known;
    }
    boolean fits = stack != null && room.take(bytes(stack));
    return samples.computeIfAbsent(fits ? stack : others, _ -> new long[types.size()]);
  }

  /** The stack in numbers; null if there is no room for a part of it. */
  private @Nullable Stack stack(List<Frame> frames, String thread) {
    int[] numbers = new int[frames.size()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = location(frames.get(i));
      if (numbers[i] == Numbered.NONE) {
        return null;
      }
    }
    int name = strings.of(thread);
    return name == Numbered.NONE ? null : new Stack(numbers, name);
  }

  private int location(Frame frame) {
    int name = strings.of(frame.function());
    int file = strings.of(frame.file());
    if (name == Numbered.NONE || file == Numbered.NONE) {
      return Numbered.NONE;
    }
    int function = functions.of(pair(name, file));
    return function == Numbered.NONE ? Numbered.NONE : locations.of(pair(function, frame.line()));
  }

  private static long pair(int first, int second) {
    return (long) first << 32 | Integer.toUnsignedLong(second);
  }

  private static int first(long pair) {
    return (int) (pair >>> 32);
  }

  private static int second(long pair) {
    return (int) pair;
  }

  /** What one more sample takes: key, numbers of frames, sums. */
  private long bytes(Stack stack) {
    return Numbered.ENTRY_BYTES + 24 + 24 + 4L * stack.locations.length + 16 + 8L * types.size();
  }

  /** How much of {@link #MAX_BYTES} is taken. */
  long keptBytes() {
    return room.taken();
  }

  /** The message. */
  byte[] encode(Instant begin, Duration duration) {
    Encoding encoding = new Encoding(begin, duration);
    try {
      CodedOutputStream measure = CodedOutputStream.newInstance(OutputStream.nullOutputStream());
      encoding.writeTo(measure);
      byte[] bytes = new byte[measure.getTotalBytesWritten()];
      encoding.writeTo(CodedOutputStream.newInstance(bytes));
      return bytes;
    } catch (IOException e) {
      throw new UncheckedIOException("writing to memory", e);
    }
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

  /** Writes the message, the same each time. */
  private final class Encoding implements Message {
    private final Instant begin;
    private final Duration duration;

    Encoding(Instant begin, Duration duration) {
      this.begin = begin;
      this.duration = duration;
    }

    @Override
    public void writeTo(CodedOutputStream out) throws IOException {
      for (ValueType type : types) {
        message(out, Field.SAMPLE_TYPE, valueType(type));
      }
      for (Map.Entry<Stack, long[]> sample : samples.entrySet()) {
        message(out, Field.SAMPLE, sample(sample.getKey(), sample.getValue()));
      }
      int id = 1; // 0 is none
      for (long location : locations.values()) {
        message(out, Field.LOCATION, location(id++, location));
      }
      id = 1;
      for (long function : functions.values()) {
        message(out, Field.FUNCTION, function(id++, function));
      }
      out.writeInt64(Field.TIME_NANOS, begin.getEpochSecond() * 1_000_000_000L + begin.getNano());
      out.writeInt64(Field.DURATION_NANOS, duration.toNanos());
      message(out, Field.PERIOD_TYPE, valueType(periodType));
      out.writeInt64(Field.PERIOD, period);
      out.writeInt64(Field.DEFAULT_SAMPLE_TYPE, strings.of(types.getLast().type()));
      for (String string : strings.values()) {
        out.writeString(Field.STRING, string);
      }
      out.flush();
    }

    private Message valueType(ValueType type) {
      return out -> {
        out.writeInt64(Field.TYPE_TYPE, strings.of(type.type()));
        out.writeInt64(Field.TYPE_UNIT, strings.of(type.unit()));
      };
    }

    private Message sample(Stack stack, long[] values) {
      return out -> {
        for (int location : stack.locations) {
          out.writeUInt64(Field.SAMPLE_LOCATION, location + 1L);
        }
        for (long value : values) {
          out.writeInt64(Field.SAMPLE_VALUE, value);
        }
        if (stack.thread != strings.of("")) {
          message(
              out,
              Field.SAMPLE_LABEL,
              label -> {
                label.writeInt64(Field.LABEL_KEY, strings.of(THREAD));
                label.writeInt64(Field.LABEL_STRING, stack.thread);
              });
        }
      };
    }

    private static Message location(int id, long functionAndLine) {
      return out -> {
        out.writeUInt64(Field.LOCATION_ID, id);
        message(
            out,
            Field.LOCATION_LINE,
            line -> {
              line.writeUInt64(Field.LINE_FUNCTION, first(functionAndLine) + 1L);
              line.writeInt64(Field.LINE_LINE, second(functionAndLine));
            });
      };
    }

    private static Message function(int id, long nameAndFile) {
      return out -> {
        out.writeUInt64(Field.FUNCTION_ID, id);
        out.writeInt64(Field.FUNCTION_NAME, first(nameAndFile));
        out.writeInt64(Field.FUNCTION_SYSTEM_NAME, first(nameAndFile));
        out.writeInt64(Field.FUNCTION_FILE, second(nameAndFile));
      };
    }

    private static void message(CodedOutputStream out, int field, Message message)
        throws IOException {
      var bytes = new ByteArrayOutputStream();
      CodedOutputStream inner = CodedOutputStream.newInstance(bytes, MESSAGE_BYTES);
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
