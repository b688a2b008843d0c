package io.ztunnel.hbone;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.security.GeneralSecurityException;
import java.security.cert.X509Certificate;
import java.util.HashSet;
import java.util.Set;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509TrustManager;
import org.jspecify.annotations.Nullable;

/**
 * A TLS client of the JDK that trusts everybody and remembers its sessions: a stranger to our own
 * TLS. Blocking; used by the test's thread.
 */
final class RawTls {
  private final SSLContext context;
  private final String version;
  private final String[] protocols;
  private final Set<Long> sessions = new HashSet<>();
  private int resumptions;
  private @Nullable SSLSocket socket;
  private String failure = "";

  private RawTls(SSLContext context, String version, String[] protocols) {
    this.context = context;
    this.version = version;
    this.protocols = protocols;
  }

  static RawTls of(
      Loopback mesh, @Nullable KeyMaterial material, String version, String... protocols) {
    try {
      SSLContext context = SSLContext.getInstance("TLS");
      KeyManager[] keys =
          material == null ? new KeyManager[0] : new KeyManager[] {new OwnKey(material)};
      context.init(keys, new TrustManager[] {new Trusting()}, null);
      RawTls client = new RawTls(context, version, protocols);
      mesh.onClose(client::disconnect);
      return client;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Connects anew; {@link #failure} tells what went wrong, if anything. */
  RawTls connect(InetSocketAddress address) {
    disconnect();
    failure = "";
    long began = System.currentTimeMillis();
    try {
      SSLSocket tls =
          (SSLSocket)
              context
                  .getSocketFactory()
                  .createSocket(
                      new Socket(address.getAddress(), address.getPort()),
                      "server",
                      address.getPort(),
                      true);
      socket = tls;
      tls.setSoTimeout(5_000);
      tls.setEnabledProtocols(new String[] {version});
      SSLParameters parameters = tls.getSSLParameters();
      parameters.setApplicationProtocols(protocols);
      tls.setSSLParameters(parameters);
      tls.startHandshake();
      if (tls.getSession().getCreationTime() < began
          || !sessions.add(tls.getSession().getCreationTime())) {
        resumptions++;
      }
    } catch (IOException e) {
      failure = String.valueOf(e.getMessage());
    }
    return this;
  }

  /** Takes what the server sends at first: its SETTINGS, and tickets if it gave any. */
  void readAWhile() {
    SSLSocket tls = socket;
    if (tls == null) {
      return;
    }
    try {
      tls.setSoTimeout(300);
      while (tls.getInputStream().read(new byte[1024]) > 0) {
        // on to the timeout
      }
    } catch (SocketTimeoutException e) {
      // that was all
    } catch (IOException e) {
      failure = String.valueOf(e.getMessage());
    }
  }

  String failure() {
    return failure;
  }

  int resumptions() {
    return resumptions;
  }

  String protocol() {
    return socket == null ? "" : socket.getSession().getProtocol();
  }

  String application() {
    return socket == null ? "" : String.valueOf(socket.getApplicationProtocol());
  }

  private void disconnect() {
    if (socket != null) {
      try {
        socket.close();
      } catch (IOException e) {
        failure = String.valueOf(e.getMessage());
      }
    }
  }

  /** Whoever it is. Immutable. */
  private static final class Trusting implements X509TrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
