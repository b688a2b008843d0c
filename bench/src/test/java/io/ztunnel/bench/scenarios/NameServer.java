package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.ztunnel.redirection.Lab;
import io.ztunnel.redirection.NetworkNamespace;
import java.io.Closeable;
import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/**
 * The name server of a node: answers questions for IPv4 addresses (RFC 1035) from a fixed table, on
 * the node's loopback. Programs that are started in the node afterwards are told of it in their
 * {@code /etc/resolv.conf}. Its thread ends with {@link #close}.
 */
final class NameServer implements Closeable {
  private static final int HEADER_BYTES = 12;
  private static final int TYPE_A = 1;
  private static final int NO_ERROR = 0;
  private static final int NAME_ERROR = 3;

  private final DatagramSocket socket;
  private final Path configuration;
  private final Map<String, List<InetAddress>> table;
  private final int ttlSeconds;
  private final List<String> questions = new CopyOnWriteArrayList<>();
  private final Set<String> unanswered = ConcurrentHashMap.newKeySet();

  /**
   * @param table IPv4 addresses by name; a name without any exists, others do not
   */
  NameServer(Lab.Place place, Map<String, List<InetAddress>> table) throws IOException {
    this(place, table, 60);
  }

  /**
   * @param table may be changed while it serves
   * @param ttlSeconds how long answers may be kept
   */
  NameServer(Lab.Place place, Map<String, List<InetAddress>> table, int ttlSeconds)
      throws IOException {
    this.table = table;
    this.ttlSeconds = ttlSeconds;
    try (NetworkNamespace namespace = place.open()) {
      this.socket =
          namespace.call(
              () ->
                  new DatagramSocket(
                      new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 53)));
    }
    // Where ip-netns looks for what to mount over /etc.
    this.configuration = Path.of("/etc/netns", place.namespace(), "resolv.conf");
    Files.createDirectories(configuration.getParent());
    Files.writeString(configuration, "nameserver 127.0.0.1\n");
    Thread.ofPlatform().daemon().name("name-server").start(this::serve);
  }

  /** The names that addresses were asked for, in order. */
  List<String> questions() {
    return List.copyOf(questions);
  }

  /** Whether questions for a name are answered from now on; at first all are. */
  void setAnswering(String name, boolean answering) {
    if (answering) {
      unanswered.remove(name);
    } else {
      unanswered.add(name);
    }
  }

  private void serve() {
    DatagramPacket packet = new DatagramPacket(new byte[512], 512);
    while (!socket.isClosed()) {
      try {
        socket.receive(packet);
        byte[] answer = answer(ByteBuffer.wrap(packet.getData(), 0, packet.getLength()));
        if (answer.length > 0) {
          socket.send(new DatagramPacket(answer, answer.length, packet.getSocketAddress()));
        }
      } catch (IOException e) {
        // Closed by close().
      }
    }
  }

  /** Empty: there is to be none. */
  private byte[] answer(ByteBuffer query) {
    short id = query.getShort(0);
    query.position(HEADER_BYTES);
    StringBuilder name = new StringBuilder();
    for (int length = query.get(); length > 0; length = query.get()) {
      byte[] label = new byte[length];
      query.get(label);
      name.append(new String(label, US_ASCII)).append('.');
    }
    short type = query.getShort();
    query.getShort(); // class
    byte[] question = new byte[query.position() - HEADER_BYTES];
    query.get(HEADER_BYTES, question);

    String asked = name.substring(0, name.length() - 1);
    @Nullable List<InetAddress> known = table.get(asked);
    List<InetAddress> addresses = known == null || type != TYPE_A ? List.of() : known;
    if (type == TYPE_A) {
      questions.add(name.toString());
    }
    if (unanswered.contains(asked)) {
      return new byte[0];
    }
    ByteBuffer answer = ByteBuffer.allocate(512);
    answer.putShort(id);
    answer.putShort((short) (0x8580 | (known == null ? NAME_ERROR : NO_ERROR)));
    answer.putShort((short) 1).putShort((short) addresses.size()).putInt(0);
    answer.put(question);
    for (InetAddress address : addresses) {
      answer.putShort((short) (0xc000 | HEADER_BYTES)); // the name of the question
      answer.putShort((short) TYPE_A).putShort((short) 1).putInt(ttlSeconds);
      answer.putShort((short) 4).put(address.getAddress());
    }
    byte[] bytes = new byte[answer.position()];
    answer.get(0, bytes);
    return bytes;
  }

  @Override
  public void close() throws IOException {
    socket.close();
    Files.deleteIfExists(configuration);
    Files.deleteIfExists(configuration.getParent());
  }
}
