package io.ztunnel.xds;

import java.util.List;

/** A resource that was not taken, and why. Immutable. */
public record Rejection(String name, String reason) {
  /** Limit of the text that tells them to the control plane, which takes no more than 4 MiB. */
  private static final int MAX_TEXT = 64 << 10;

  @Override
  public String toString() {
    return name + ": " + reason;
  }

  /** All of them in one text (Istio: "name: reason", separated by "; "), cut at a limit. */
  static String join(List<Rejection> rejections) {
    StringBuilder text = new StringBuilder();
    int told = 0;
    for (Rejection rejection : rejections) {
      if (text.length() > MAX_TEXT) {
        return text.append("; and %d more".formatted(rejections.size() - told)).toString();
      }
      String one = rejection.toString();
      text.append(told == 0 ? "" : "; ")
          .append(one.length() > MAX_TEXT ? one.substring(0, MAX_TEXT) + "…" : one);
      told++;
    }
    return text.toString();
  }
}
