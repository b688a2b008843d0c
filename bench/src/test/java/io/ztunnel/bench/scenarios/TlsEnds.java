package io.ztunnel.bench.scenarios;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.ztunnel.bench.lab.Application;
import io.ztunnel.redirection.Lab;
import io.ztunnel.xds.ControlPlanePki;
import java.io.IOException;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/** A TLS server of these names, and clients that trust it. Immutable. */
final class TlsEnds {
  private static final char[] NO_PASSWORD = {};

  private final KeyManagerFactory keys;
  private final TrustManagerFactory trust;

  private TlsEnds(KeyManagerFactory keys, TrustManagerFactory trust) {
    this.keys = keys;
    this.trust = trust;
  }

  /** A new one each time: a session that is resumed would ask for the name it was made with. */
  private SSLSocketFactory sockets() throws IOException {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
      return context.getSocketFactory();
    } catch (GeneralSecurityException e) {
      throw new IOException(e);
    }
  }

  static TlsEnds of(String... names) throws GeneralSecurityException, IOException {
    ControlPlanePki.ServerKey key = ControlPlanePki.create("servers").server(List.of(names));
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, NO_PASSWORD);
    store.setKeyEntry("server", key.key(), NO_PASSWORD, key.chain().toArray(Certificate[]::new));
    KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX");
    keys.init(store, NO_PASSWORD);
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, NO_PASSWORD);
    trusted.setCertificateEntry("server", key.chain().getFirst());
    TrustManagerFactory trust = TrustManagerFactory.getInstance("PKIX");
    trust.init(trusted);
    return new TlsEnds(keys, trust);
  }

  /** A server that speaks TLS before it talks. */
  Application.Service serving(Application.Service service) {
    return client -> {
      try (SSLSocket socket = (SSLSocket) sockets().createSocket(client, null, true)) {
        service.serve(socket);
      }
    };
  }

  /** A client of a pod's port that asks for a server by this name. */
  SSLSocket connect(Lab.Place from, Lab.Pod to, int port, @Nullable String name)
      throws IOException {
    Socket plain = PodSockets.connect(from, to.ipv4(), port);
    SSLSocket socket =
        (SSLSocket) sockets().createSocket(plain, to.ipv4().getHostAddress(), port, true);
    SSLParameters parameters = socket.getSSLParameters();
    if (name != null) {
      parameters.setServerNames(List.of(new SNIHostName(name)));
    }
    socket.setSSLParameters(parameters);
    return socket;
  }

  /** Says the text by such a client, and returns what comes back. */
  String exchange(Lab.Place from, Lab.Pod to, int port, @Nullable String name, String text)
      throws IOException {
    try (SSLSocket socket = connect(from, to, port, name)) {
      socket.getOutputStream().write(text.getBytes(UTF_8));
      socket.shutdownOutput();
      return new String(socket.getInputStream().readAllBytes(), UTF_8);
    }
  }
}
