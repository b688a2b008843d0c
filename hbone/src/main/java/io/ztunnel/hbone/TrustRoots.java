package io.ztunnel.hbone;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/**
 * The roots that the certificates of peers must lead to. They can be replaced at any time; the next
 * handshake sees the new ones.
 *
 * <p>Replaced by one thread, its owner's; read by any.
 */
public final class TrustRoots {
  private record Anchors(List<X509Certificate> roots, X509TrustManager pkix) {}

  /** The JDK's has no word for it. */
  private static final class Nobody implements X509TrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType)
        throws CertificateException {
      refuse();
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType)
        throws CertificateException {
      refuse();
    }

    private static void refuse() throws CertificateException {
      throw new CertificateException("no root of the peer's trust domain is known yet");
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }

  /** Replaced as a whole by the owner, read by handshakes on any event loop. */
  private volatile Anchors anchors;

  /**
   * @param roots at least one
   * @throws IllegalArgumentException if there is none, or the JDK takes one for no root
   */
  public TrustRoots(List<X509Certificate> roots) {
    this(anchors(roots));
  }

  private TrustRoots(Anchors anchors) {
    this.anchors = anchors;
  }

  /** No roots yet: nobody is believed until they are replaced. */
  public static TrustRoots none() {
    return new TrustRoots(new Anchors(List.of(), new Nobody()));
  }

  /** The roots of now. */
  public List<X509Certificate> roots() {
    return anchors.roots;
  }

  /**
   * Trusts these instead; does nothing if they are the same in the same order.
   *
   * @throws IllegalArgumentException as the constructor; the former stay
   */
  public void replace(List<X509Certificate> roots) {
    if (!anchors.roots.equals(roots)) {
      anchors = anchors(roots);
    }
  }

  X509TrustManager pkix() {
    return anchors.pkix;
  }

  private static Anchors anchors(List<X509Certificate> roots) {
    if (roots.isEmpty()) {
      throw new IllegalArgumentException("roots: empty (expected: at least one)");
    }
    return new Anchors(List.copyOf(roots), pkix(roots));
  }

  private static X509TrustManager pkix(List<X509Certificate> roots) {
    try {
      KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
      store.load(null, null);
      for (int i = 0; i < roots.size(); i++) {
        store.setCertificateEntry("root-" + i, roots.get(i));
      }
      TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
      factory.init(store);
      for (TrustManager manager : factory.getTrustManagers()) {
        if (manager instanceof X509TrustManager x509) {
          return x509;
        }
      }
      throw new IllegalStateException("the JDK has no PKIX trust manager");
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalArgumentException("roots: " + e.getMessage(), e);
    }
  }
}
