package io.ztunnel.profile;

import io.ztunnel.profile.PprofProfile.Frame;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.WeakHashMap;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedMethod;
import jdk.jfr.consumer.RecordedStackTrace;
import org.jspecify.annotations.Nullable;

/**
 * The stacks of the flight recorder in the words of a profile. Confined to the thread that reads
 * the recording.
 */
final class StackFrames {
  private static final String NOT_KNOWN = "[unknown]";
  private static final List<Frame> UNKNOWN = List.of(new Frame(NOT_KNOWN, "", 0));

  /** What frames say of their method. Immutable. */
  private record Source(String function, String file) {}

  /**
   * Made once for each method: the recorder has one object for it, which goes with the chunk of the
   * recording that is being read.
   */
  private final Map<RecordedMethod, Source> sources = new WeakHashMap<>();

  /** The innermost first; one that says so when the recorder could not tell. */
  List<Frame> of(@Nullable RecordedStackTrace stack) {
    if (stack == null || stack.getFrames().isEmpty()) {
      return UNKNOWN;
    }
    List<RecordedFrame> recorded = stack.getFrames();
    List<Frame> frames = new ArrayList<>(recorded.size());
    for (RecordedFrame frame : recorded) {
      RecordedMethod method = frame.getMethod();
      Source source =
          method == null
              ? new Source(NOT_KNOWN, file(NOT_KNOWN))
              : sources.computeIfAbsent(method, StackFrames::source);
      frames.add(new Frame(source.function(), source.file(), Math.max(frame.getLineNumber(), 0)));
    }
    return frames;
  }

  private static Source source(RecordedMethod method) {
    String type = method.getType().getName();
    return new Source(type + "." + method.getName(), file(type));
  }

  /** Where the source of a class is, by the convention of the compiler. */
  private static String file(String type) {
    int nested = type.indexOf('$');
    return (nested < 0 ? type : type.substring(0, nested)).replace('.', '/') + ".java";
  }
}
