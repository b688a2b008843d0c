package io.ztunnel.dns;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.Collectors;

/** A client of a DNS server, blocking, with deadlines. Stateless. */
final class DnsClient {
  static final int TIMEOUT_MILLIS = 15_000;
  private static final int ID = 0x4711;

  private DnsClient() {}

  static Question question(String name, int type) {
    return new Question(Objects.requireNonNull(DomainName.parse(name)), type, Question.IN);
  }

  static byte[] request(Question question, boolean edns) {
    return UpstreamMessage.request(ID, question, edns);
  }

  static byte[] udp(InetSocketAddress server, byte[] request) throws IOException {
    try (DatagramSocket socket = new DatagramSocket()) {
      socket.setSoTimeout(TIMEOUT_MILLIS);
      socket.connect(server);
      socket.send(new DatagramPacket(request, request.length));
      DatagramPacket answer = new DatagramPacket(new byte[65_535], 65_535);
      socket.receive(answer);
      return Arrays.copyOf(answer.getData(), answer.getLength());
    }
  }

  static byte[] tcp(InetSocketAddress server, byte[] request) throws IOException {
    try (Socket socket = connect(server)) {
      send(socket, request);
      return receive(socket);
    }
  }

  static Socket connect(InetSocketAddress server) throws IOException {
    Socket socket = new Socket();
    socket.setSoTimeout(TIMEOUT_MILLIS);
    socket.connect(server, TIMEOUT_MILLIS);
    return socket;
  }

  static void send(Socket socket, byte[] request) throws IOException {
    byte[] framed = new byte[2 + request.length];
    framed[0] = (byte) (request.length >> 8);
    framed[1] = (byte) request.length;
    System.arraycopy(request, 0, framed, 2, request.length);
    new DataOutputStream(socket.getOutputStream()).write(framed);
  }

  static byte[] receive(Socket socket) throws IOException {
    DataInputStream in = new DataInputStream(socket.getInputStream());
    byte[] answer = new byte[in.readUnsignedShort()];
    in.readFully(answer);
    return answer;
  }

  /** As {@code NOERROR aa [records]}; checks that it answers the question. */
  static String text(byte[] answer, Question question) throws MalformedMessageException {
    UpstreamMessage message = UpstreamMessage.read(answer, ID, question.normal());
    return "%s%s%s [%s]"
        .formatted(
            ResponseCode.name(message.code()),
            (answer[2] & 4) != 0 ? " aa" : "",
            message.truncated() ? " tc" : "",
            message.answers().stream()
                .map(ResourceRecord::toString)
                .collect(Collectors.joining(", ")));
  }

  static String ask(InetSocketAddress server, String name, int type) throws Exception {
    Question question = question(name, type);
    return text(udp(server, request(question, false)), question);
  }
}
