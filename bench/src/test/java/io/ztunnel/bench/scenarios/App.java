package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.redirection.Lab;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * A server program of a pod that knows where its clients came from. It belongs to the test, which
 * closes it.
 */
final class App implements Closeable {
  private final Application application;
  private final List<InetSocketAddress> clients;

  /** Sends everything back twice, until the client ends its side. */
  static final Application.Service ECHO_TWICE =
      client -> {
        InputStream in = client.getInputStream();
        byte[] buffer = new byte[8192];
        for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
          client.getOutputStream().write(buffer, 0, n);
          client.getOutputStream().write(buffer, 0, n);
        }
      };

  /** Hears all that the client has to say, and sends it back in one piece. */
  static final Application.Service ECHO_AT_THE_END =
      client -> client.getOutputStream().write(client.getInputStream().readAllBytes());

  /** Says goodbye before the client says anything. */
  static final Application.Service SAYING_BYE =
      client -> client.getOutputStream().write("bye".getBytes(UTF_8));

  /** Says a name, whatever the client says before it ends its side. */
  static Application.Service saying(String name) {
    return client -> {
      client.getInputStream().readAllBytes();
      client.getOutputStream().write(name.getBytes(UTF_8));
    };
  }

  private App(Application application, List<InetSocketAddress> clients) {
    this.application = application;
    this.clients = clients;
  }

  static App start(Lab.Place place, int port, Application.Service service) throws IOException {
    List<InetSocketAddress> clients = new CopyOnWriteArrayList<>();
    Application application =
        Application.start(
            place,
            port,
            client -> {
              clients.add((InetSocketAddress) client.getRemoteSocketAddress());
              service.serve(client);
            });
    return new App(application, clients);
  }

  /** Where its connections came from so far, in order. */
  List<InetSocketAddress> clients() {
    return List.copyOf(clients);
  }

  @Override
  public void close() throws IOException {
    application.close();
  }
}
