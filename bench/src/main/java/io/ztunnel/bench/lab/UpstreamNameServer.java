package io.ztunnel.bench.lab;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.Closeable;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * The name server that a node's daemon is told of, by UDP and TCP at the node's own address, so
 * that pods reach it. It answers as it is told; a name that nobody spoke of does not exist. Daemons
 * started afterwards ask it. Its threads are daemons and end with {@link #close}. For any thread.
 */
public final class UpstreamNameServer implements Closeable {
  private static final int PORT = 53;

  /** What the server sends for one question by one way: any number of messages. */
  @FunctionalInterface
  public interface Answering {
    List<byte[]> answer(Names.Question question, Names.Way way) throws IOException;
  }

  private final DatagramSocket datagrams;
  private final Application streams;
  private final Path configuration;
  private final Map<String, Answering> answers = new ConcurrentHashMap<>();
  private final Queue<String> questions = new ConcurrentLinkedQueue<>();
  private final Set<InetAddress> clients = ConcurrentHashMap.newKeySet();

  public UpstreamNameServer(Lab.Node node) throws IOException {
    try (NetworkNamespace namespace = node.open()) {
      this.datagrams =
          namespace.call(() -> new DatagramSocket(new InetSocketAddress(node.ipv4(), PORT)));
    }
    this.streams = Application.start(node, PORT, this::serve);
    // Where ip-netns looks for what to mount over /etc.
    this.configuration = Path.of("/etc/netns", node.namespace(), "resolv.conf");
    Files.createDirectories(configuration.getParent());
    Files.writeString(
        configuration,
        "nameserver %s\noptions timeout:1 attempts:2\n".formatted(node.ipv4().getHostAddress()));
    Thread.ofPlatform().daemon().name("upstream").start(this::serveDatagrams);
  }

  /** How a name, with its last dot, is answered from now on. */
  public void on(String name, Answering answering) {
    answers.put(name, answering);
  }

  /** A name with an address. */
  public void on(String name, InetAddress address) {
    on(name, (question, _) -> List.of(question.answer(0, List.of(address))));
  }

  /** What was asked, in order, as {@code UDP name.}. */
  public List<String> questions() {
    return List.copyOf(questions);
  }

  /** Where questions by UDP came from. */
  public Set<InetAddress> clients() {
    return Set.copyOf(clients);
  }

  private List<byte[]> answer(byte[] message, Names.Way way) throws IOException {
    Names.Question question = Names.Question.read(message);
    questions.add(way + " " + question.name());
    return answers
        .getOrDefault(question.name(), (asked, _) -> List.of(asked.answer(3, List.of())))
        .answer(question, way);
  }

  private void serveDatagrams() {
    byte[] buffer = new byte[4096];
    while (!datagrams.isClosed()) {
      try {
        DatagramPacket packet = new DatagramPacket(buffer, buffer.length);
        datagrams.receive(packet);
        clients.add(packet.getAddress());
        for (byte[] answer : answer(Arrays.copyOf(buffer, packet.getLength()), Names.Way.UDP)) {
          datagrams.send(new DatagramPacket(answer, answer.length, packet.getSocketAddress()));
        }
      } catch (IOException e) {
        // Closed by close(), or a client that has gone.
      }
    }
  }

  private void serve(Socket client) throws IOException {
    DataInputStream in = new DataInputStream(client.getInputStream());
    DataOutputStream out = new DataOutputStream(client.getOutputStream());
    byte[] message = in.readNBytes(in.readUnsignedShort());
    for (byte[] answer : answer(message, Names.Way.TCP)) {
      out.writeShort(answer.length);
      out.write(answer);
    }
  }

  @Override
  public void close() throws IOException {
    datagrams.close();
    streams.close();
    Files.deleteIfExists(configuration);
    Files.deleteIfExists(configuration.getParent());
  }
}
