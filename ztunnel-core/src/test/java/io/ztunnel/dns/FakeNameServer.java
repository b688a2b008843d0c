package io.ztunnel.dns;

import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A name server on loopback that answers as it is told, by UDP and TCP on one port. Its threads are
 * daemons and end with {@link #close}.
 */
public final class FakeNameServer implements Closeable {
  private static final InetAddress LOCALHOST = InetAddress.ofLiteral("127.0.0.1");

  /** What the server sends for one question: any number of messages, none to stay silent. */
  @FunctionalInterface
  interface Answering {
    List<byte[]> answer(Asked asked) throws IOException;
  }

  /** A question as it came. */
  record Asked(Query query, boolean tcp) {
    String name() {
      return query.question().name().toString();
    }

    /** A right answer. */
    byte[] found(ResourceRecord... answers) {
      return ReplyMessage.stream(
          query, new Reply.Found(Reply.Source.UPSTREAM, List.of(answers), List.of()));
    }

    byte[] error(int code) {
      return ReplyMessage.stream(query, new Reply.Failed(code));
    }

    /** The right answer to say that there is more. */
    byte[] truncated() {
      byte[] message = found();
      message[2] |= 2;
      return message;
    }
  }

  private final DatagramSocket datagrams;
  private final ServerSocket streams;
  private final Map<String, Answering> answers = new ConcurrentHashMap<>();
  private final List<String> questions = new CopyOnWriteArrayList<>();
  private final List<Integer> ports = new CopyOnWriteArrayList<>();

  public FakeNameServer() throws IOException {
    this.streams = new ServerSocket(0, 50, LOCALHOST);
    this.datagrams = new DatagramSocket(streams.getLocalPort(), LOCALHOST);
    Thread.ofPlatform().daemon().name("name-server-udp").start(this::serveDatagrams);
    Thread.ofPlatform().daemon().name("name-server-tcp").start(this::serveStreams);
  }

  public InetSocketAddress address() {
    return new InetSocketAddress(LOCALHOST, datagrams.getLocalPort());
  }

  /** How a name is answered from now on; others do not exist. The name is in lower case. */
  void on(String name, Answering answering) {
    answers.put(name, answering);
  }

  /** A name with an address, for a time. */
  public void on(String name, String ip, long ttlSeconds) {
    on(
        name,
        asked ->
            List.of(
                asked.found(
                    ResourceRecord.address(
                        asked.query().question().name(), InetAddress.ofLiteral(ip), ttlSeconds))));
  }

  /** A name without addresses. */
  public void onNothing(String name) {
    on(name, asked -> List.of(asked.found()));
  }

  /** A name that does not exist. */
  public void onUnknown(String name) {
    answers.remove(name);
  }

  /** A name that the server has trouble with. */
  public void onFailure(String name) {
    on(name, asked -> List.of(asked.error(ResponseCode.SERVER_FAILURE)));
  }

  /** A name that is not answered. */
  public void onSilence(String name) {
    on(name, _ -> List.of());
  }

  /** What was asked, in order, as {@code udp A name.}. */
  public List<String> questions() {
    return List.copyOf(questions);
  }

  /** The ports that what was asked by UDP came from, in order. */
  public List<Integer> ports() {
    return List.copyOf(ports);
  }

  private List<byte[]> answer(byte[] message, boolean tcp) throws IOException {
    if (!(IncomingMessage.read(message) instanceof IncomingMessage.Asked(Query query))) {
      throw new IOException("no question: " + Arrays.toString(message));
    }
    Asked asked = new Asked(query, tcp);
    questions.add(
        "%s %s %s"
            .formatted(
                tcp ? "tcp" : "udp", RecordType.name(query.question().type()), asked.name()));
    return answers
        .getOrDefault(asked.name(), it -> List.of(it.error(ResponseCode.NAME_ERROR)))
        .answer(asked);
  }

  private void serveDatagrams() {
    byte[] buffer = new byte[4096];
    while (!datagrams.isClosed()) {
      try {
        DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
        datagrams.receive(packet);
        ports.add(packet.getPort());
        for (byte[] answer : answer(Arrays.copyOf(buffer, packet.getLength()), false)) {
          datagrams.send(new DatagramPacket(answer, answer.length, packet.getSocketAddress()));
        }
      } catch (IOException e) {
        // Closed by close(), or a client that has gone.
      }
    }
  }

  private void serveStreams() {
    while (!streams.isClosed()) {
      try (Socket client = streams.accept()) {
        DataInputStream in = new DataInputStream(client.getInputStream());
        byte[] message = in.readNBytes(in.readUnsignedShort());
        DataOutputStream out = new DataOutputStream(client.getOutputStream());
        for (byte[] answer : answer(message, true)) {
          out.writeShort(answer.length);
          out.write(answer);
        }
        out.flush();
        client.setSoTimeout(10_000);
        int end = in.read(); // until the client has what it wanted, or gives up
        assert end < 0;
      } catch (IOException e) {
        // Closed by close(), or a client that has gone.
      }
    }
  }

  @Override
  public void close() throws IOException {
    datagrams.close();
    streams.close();
  }
}
