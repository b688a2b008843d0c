package io.ztunnel.admin;

import java.io.IOException;
import java.io.OutputStream;
import java.util.Locale;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.GZIPOutputStream;
import org.jspecify.annotations.Nullable;

/** How a body may be compressed, the most wanted first among those the client likes as well. */
enum ContentCoding {
  GZIP("gzip") {
    @Override
    OutputStream encode(OutputStream out) throws IOException {
      return new GZIPOutputStream(out);
    }
  },
  DEFLATE("deflate") {
    @Override
    OutputStream encode(OutputStream out) {
      return new DeflaterOutputStream(out);
    }
  },
  IDENTITY("identity") {
    @Override
    OutputStream encode(OutputStream out) {
      return out;
    }
  };

  private final String token;

  ContentCoding(String token) {
    this.token = token;
  }

  /** The value of {@code Content-Encoding}. */
  String token() {
    return token;
  }

  abstract OutputStream encode(OutputStream out) throws IOException;

  /**
   * The best coding for this {@code Accept-Encoding} (RFC 9110, 12.5.3); null if none of ours is
   * acceptable.
   */
  static @Nullable ContentCoding negotiate(String acceptEncoding) {
    ContentCoding best = null;
    double bestWeight = 0;
    for (ContentCoding coding : values()) {
      double weight = coding.weight(acceptEncoding);
      if (weight > bestWeight) {
        best = coding;
        bestWeight = weight;
      }
    }
    return best;
  }

  /** What the client thinks of this coding; unnamed ones are refused, but for identity. */
  private double weight(String acceptEncoding) {
    double any = -1;
    for (String element : acceptEncoding.toLowerCase(Locale.ROOT).split(",", -1)) {
      String[] parts = element.split(";", 2);
      String name = parts[0].trim();
      double weight = parts.length < 2 ? 1 : quality(parts[1].trim());
      if (name.equals(token)) {
        return weight;
      }
      if (name.equals("*")) {
        any = weight;
      }
    }
    if (any >= 0) {
      return any;
    }
    // Always acceptable unless it is excluded, but the last choice.
    return this == IDENTITY ? Math.ulp(0) : 0;
  }

  private static double quality(String parameter) {
    if (!parameter.startsWith("q=")) {
      return 1;
    }
    try {
      return Math.clamp(Double.parseDouble(parameter.substring(2).trim()), 0, 1);
    } catch (NumberFormatException _) {
      return 0;
    }
  }
}
