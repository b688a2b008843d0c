package io.ztunnel.profile;

import com.google.protobuf.CodedInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A profile read by the published definition (github.com/google/pprof, profile.proto) and by none
 * of the code that wrote it: fields by number, into lists of numbers and bytes.
 */
final class DecodedProfile {
  /** The fields of one message: varints and byte strings in order, by field number. */
  private record Message(Map<Integer, List<Long>> numbers, Map<Integer, List<byte[]>> bytes) {
    static Message parse(byte[] encoded) throws IOException {
      var message = new Message(new HashMap<>(), new HashMap<>());
      CodedInputStream in = CodedInputStream.newInstance(encoded);
      for (int tag = in.readTag(); tag != 0; tag = in.readTag()) {
        int field = tag >>> 3;
        switch (tag & 7) {
          case 0 ->
              message.numbers.computeIfAbsent(field, _ -> new ArrayList<>()).add(in.readInt64());
          case 2 ->
              message.bytes.computeIfAbsent(field, _ -> new ArrayList<>()).add(in.readByteArray());
          default -> throw new IOException("wire type " + (tag & 7) + " of field " + field);
        }
      }
      return message;
    }

    List<Long> numbers(int field) {
      return numbers.getOrDefault(field, List.of());
    }

    long number(int field) {
      return numbers(field).isEmpty() ? 0 : numbers(field).getLast();
    }

    List<Message> messages(int field) throws IOException {
      List<Message> messages = new ArrayList<>();
      for (byte[] encoded : bytes.getOrDefault(field, List.of())) {
        messages.add(parse(encoded));
      }
      return messages;
    }
  }

  /** One sample with all references resolved: frames as {@code function:line (file)}. */
  record Sample(List<String> frames, List<Long> values, Map<String, String> labels) {}

  private final Message profile;
  private final List<String> strings = new ArrayList<>();
  private final Map<Long, String> locations = new HashMap<>();

  DecodedProfile(byte[] encoded) throws IOException {
    profile = Message.parse(encoded);
    for (byte[] text : profile.bytes.getOrDefault(6, List.of())) {
      strings.add(new String(text, StandardCharsets.UTF_8));
    }
    Map<Long, Message> functions = new HashMap<>();
    for (Message function : profile.messages(5)) {
      functions.put(function.number(1), function);
    }
    for (Message location : profile.messages(4)) {
      Message line = location.messages(4).getFirst();
      Message function = functions.get(line.number(1));
      if (function == null) {
        throw new IOException("location " + location.number(1) + " has no function");
      }
      locations.put(
          location.number(1),
          "%s:%d (%s)"
              .formatted(text(function.number(2)), line.number(2), text(function.number(4))));
    }
  }

  private String text(long index) {
    return strings.get((int) index);
  }

  String firstString() {
    return text(0);
  }

  List<String> sampleTypes() throws IOException {
    List<String> types = new ArrayList<>();
    for (Message type : profile.messages(1)) {
      types.add(text(type.number(1)) + "/" + text(type.number(2)));
    }
    return types;
  }

  String periodType() throws IOException {
    Message type = profile.messages(11).getFirst();
    return text(type.number(1)) + "/" + text(type.number(2));
  }

  String defaultSampleType() {
    return text(profile.number(14));
  }

  long timeNanos() {
    return profile.number(9);
  }

  long durationNanos() {
    return profile.number(10);
  }

  long period() {
    return profile.number(12);
  }

  List<Sample> samples() throws IOException {
    List<Sample> samples = new ArrayList<>();
    for (Message sample : profile.messages(2)) {
      Map<String, String> labels = new HashMap<>();
      for (Message label : sample.messages(3)) {
        labels.put(text(label.number(1)), text(label.number(2)));
      }
      samples.add(
          new Sample(
              sample.numbers(1).stream().map(locations::get).toList(), sample.numbers(2), labels));
    }
    return samples;
  }
}
