package io.ztunnel.bench.lab;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import io.ztunnel.redirection.Peer;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** DNS messages (RFC 1035), and a client that asks from a place in the lab. Stateless. */
public final class Names {
  public static final int A = 1;
  public static final int AAAA = 28;
  private static final Duration DEADLINE = Duration.ofSeconds(10);
  private static final int HEADER_BYTES = 12;
  private static final int CNAME = 5;

  private Names() {}

  /** How a question travels. */
  public enum Way {
    UDP,
    TCP
  }

  /**
   * An answer.
   *
   * @param code the response code
   * @param records the addresses, aliases as {@code -> name}
   */
  public record Answer(int code, boolean authoritative, List<String> records) {}

  /** A question as a server sees it. Immutable. */
  public static final class Question {
    private final byte[] message;
    private final String name;
    private final int type;
    private final int end;

    private Question(byte[] message, String name, int type, int end) {
      this.message = message;
      this.name = name;
      this.type = type;
      this.end = end;
    }

    public String name() {
      return name;
    }

    public int type() {
      return type;
    }

    public static Question read(byte[] message) {
      ByteBuffer buffer = ByteBuffer.wrap(message).position(HEADER_BYTES);
      String name = Names.name(buffer);
      int type = buffer.getShort();
      buffer.getShort(); // class
      return new Question(message, name, type, buffer.position());
    }

    /** The message that answers it. */
    public byte[] answer(int code, List<InetAddress> addresses) {
      ByteBuffer answer = ByteBuffer.allocate(4096);
      answer.put(message, 0, end);
      answer.putShort(2, (short) (0x8180 | code));
      answer.putShort(6, (short) addresses.size()).putInt(8, 0);
      for (InetAddress address : addresses) {
        byte[] bytes = address.getAddress();
        answer.putShort((short) (0xc000 | HEADER_BYTES)); // the name of the question
        answer.putShort((short) (bytes.length == 4 ? A : AAAA)).putShort((short) 1).putInt(60);
        answer.putShort((short) bytes.length).put(bytes);
      }
      return Arrays.copyOf(answer.array(), answer.position());
    }

    /** The message that says that the answer is longer than a datagram. */
    public byte[] truncated() {
      byte[] answer = answer(0, List.of());
      answer[2] |= 2;
      return answer;
    }
  }

  private static String name(ByteBuffer buffer) {
    StringBuilder name = new StringBuilder();
    int end = -1;
    for (int length = buffer.get() & 0xff; length > 0; length = buffer.get() & 0xff) {
      if (length >= 0xc0) {
        int target = ((length & 0x3f) << 8) | (buffer.get() & 0xff);
        end = end < 0 ? buffer.position() : end;
        buffer.position(target);
      } else {
        byte[] label = new byte[length];
        buffer.get(label);
        name.append(new String(label, US_ASCII)).append('.');
      }
    }
    if (end >= 0) {
      buffer.position(end);
    }
    return name.toString();
  }

  public static Answer ask(Lab.Place place, InetAddress server, Way way, String name, int type)
      throws IOException {
    byte[] question = question(name, type);
    byte[] answer =
        switch (way) {
          case UDP -> udp(place, server, question);
          case TCP -> tcp(place, server, question);
        };
    return read(answer, question);
  }

  private static byte[] question(String name, int type) {
    ByteBuffer message = ByteBuffer.allocate(512);
    message.putShort((short) 0x4711).putShort((short) 0x0100).putShort((short) 1);
    message.position(HEADER_BYTES);
    for (String label : name.split("\\.", -1)) {
      message.put((byte) label.length()).put(label.getBytes(US_ASCII));
    }
    message.put((byte) 0).putShort((short) type).putShort((short) 1);
    return Arrays.copyOf(message.array(), message.position());
  }

  private static byte[] udp(Lab.Place place, InetAddress server, byte[] question)
      throws IOException {
    try (NetworkNamespace namespace = place.open();
        DatagramSocket socket = namespace.call(() -> new DatagramSocket())) {
      socket.setSoTimeout(Math.toIntExact(DEADLINE.toMillis()));
      socket.connect(new InetSocketAddress(server, 53));
      socket.send(new DatagramPacket(question, question.length));
      DatagramPacket answer = new DatagramPacket(new byte[4096], 4096);
      socket.receive(answer);
      return Arrays.copyOf(answer.getData(), answer.getLength());
    }
  }

  private static byte[] tcp(Lab.Place place, InetAddress server, byte[] question)
      throws IOException {
    try (Socket socket = Peer.connect(place, server, 53, DEADLINE)) {
      DataOutputStream out = new DataOutputStream(socket.getOutputStream());
      ByteBuffer framed = ByteBuffer.allocate(2 + question.length);
      out.write(framed.putShort((short) question.length).put(question).array());
      DataInputStream in = new DataInputStream(socket.getInputStream());
      byte[] answer = new byte[in.readUnsignedShort()];
      in.readFully(answer);
      return answer;
    }
  }

  private static Answer read(byte[] message, byte[] question) throws IOException {
    if (message.length < HEADER_BYTES || message[0] != question[0] || message[1] != question[1]) {
      throw new IOException("no answer to the question: " + Arrays.toString(message));
    }
    int code = message[3] & 0xf;
    ByteBuffer buffer = ByteBuffer.wrap(message).position(HEADER_BYTES);
    List<String> records = new ArrayList<>();
    String _ = name(buffer);
    buffer.getInt(); // type and class
    for (int count = buffer.getShort(6); count > 0; count--) {
      records.add(record(buffer));
    }
    return new Answer(code, (message[2] & 4) != 0, records);
  }

  private static String record(ByteBuffer buffer) throws IOException {
    String _ = name(buffer);
    int type = buffer.getShort();
    buffer.position(buffer.position() + 6); // class and time to live
    int length = buffer.getShort();
    if (type == CNAME) {
      return "-> " + name(buffer);
    }
    byte[] data = new byte[length];
    buffer.get(data);
    return InetAddress.getByAddress(data).getHostAddress();
  }
}
