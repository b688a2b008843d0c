package io.ztunnel.bench.micro;

import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Messages of Protocol Buffers, written field by field. Stateless. */
public final class ProtoBytes {
  private ProtoBytes() {}

  /** Writes the fields of one message. */
  @FunctionalInterface
  public interface Fields {
    void write(CodedOutputStream out) throws IOException;
  }

  public static byte[] of(Fields fields) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    CodedOutputStream out = CodedOutputStream.newInstance(bytes);
    try {
      fields.write(out);
      out.flush();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // there is no device
    }
    return bytes.toByteArray();
  }
}
