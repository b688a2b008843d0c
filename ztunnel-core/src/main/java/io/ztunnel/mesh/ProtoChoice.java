package io.ztunnel.mesh;

import java.util.List;

/** Enum values of protobuf messages. */
final class ProtoChoice {
  private ProtoChoice() {}

  /** The value with this number, which is its place in the list. */
  static <T> T of(String field, int number, List<T> values) throws ResourceException {
    if (number < 0 || number >= values.size()) {
      throw new ResourceException(
          "decode error: %s: %d (expected: 0-%d)".formatted(field, number, values.size() - 1));
    }
    return values.get(number);
  }
}
