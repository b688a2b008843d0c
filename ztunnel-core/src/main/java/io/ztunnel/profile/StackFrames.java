package io.ztunnel.profile;

import io.ztunnel.profile.PprofProfile.Frame;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedMethod;
import jdk.jfr.consumer.RecordedStackTrace;
import org.jspecify.annotations.Nullable;

/** The stacks of the flight recorder in the words of a profile. Stateless. */
final class StackFrames {
  private static final List<Frame> UNKNOWN = List.of(new Frame("[unknown]", "", 0));

  private StackFrames() {}

  /** The innermost first; one that says so when the recorder could not tell. */
  static List<Frame> of(@Nullable RecordedStackTrace stack) {
    if (stack == null || stack.getFrames().isEmpty()) {
      return UNKNOWN;
    }
    List<Frame> frames = new ArrayList<>(stack.getFrames().size());
    for (RecordedFrame frame : stack.getFrames()) {
      RecordedMethod method = frame.getMethod();
      String type = method == null ? "[unknown]" : method.getType().getName();
      frames.add(
          new Frame(
              method == null ? type : type + "." + method.getName(),
              file(type),
              Math.max(frame.getLineNumber(), 0)));
    }
    return frames;
  }

  /** Where the source of a class is, by the convention of the compiler. */
  private static String file(String type) {
    int nested = type.indexOf('$');
    return (nested < 0 ? type : type.substring(0, nested)).replace('.', '/') + ".java";
  }
}
