package io.ztunnel.bench.load;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import org.junit.jupiter.api.Test;

class GivingServerTest {
  private static final InetAddress LOCALHOST = InetAddress.ofLiteral("127.0.0.1");

  private static Socket client(ServerSocket listener) throws IOException {
    Socket client = new Socket();
    Echo.connect(client, (InetSocketAddress) listener.getLocalSocketAddress());
    return client;
  }

  private static void ask(Socket client, int bytes) throws IOException {
    new DataOutputStream(client.getOutputStream()).writeInt(bytes);
  }

  @Test
  void givesWhatIsAskedForAndNoMoreThoughAnotherClientDoesNotRead() throws Exception {
    ServerSocket listener = new ServerSocket(0, 50, LOCALHOST);
    try (GivingServer _ = new GivingServer(listener);
        Socket stalled = client(listener);
        Socket client = client(listener)) {
      ask(stalled, 256 << 20);
      for (int bytes : new int[] {1, 0, 64 * 1024, 300_000}) {
        ask(client, bytes);
        assertEquals(bytes, client.getInputStream().readNBytes(bytes).length);
      }
      client.setSoTimeout(50);
      assertThrows(SocketTimeoutException.class, () -> client.getInputStream().read());
    }
  }

  @Test
  void itsEndIsThatOfItsConnections() throws Exception {
    ServerSocket listener = new ServerSocket(0, 50, LOCALHOST);
    Socket client;
    try (GivingServer _ = new GivingServer(listener)) {
      client = client(listener);
      ask(client, 1);
      assertEquals(0, client.getInputStream().read());
    }
    try (client) {
      assertEquals(-1, client.getInputStream().read());
    }
  }
}
