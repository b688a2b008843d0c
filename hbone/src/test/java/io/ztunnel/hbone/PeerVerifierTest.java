package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import javax.net.ssl.SSLEngine;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class PeerVerifierTest {
  private final TestPki root = TestPki.root("root");

  private X509Certificate[] authorities(int... names) {
    return IntStream.of(names)
        .mapToObj(name -> root.intermediate("ca-" + name).certificate())
        .toArray(X509Certificate[]::new);
  }

  private static String refusal(X509Certificate... chain) {
    return String.valueOf(
        assertThrows(CertificateException.class, () -> PeerVerifier.checkPaths(chain))
            .getMessage());
  }

  @Test
  void aChainMayHaveAnAuthorityTwice() {
    assertDoesNotThrow(() -> PeerVerifier.checkPaths(authorities(1, 2, 2, 3, 4, 4, 5, 6, 7, 8)));
  }

  @Test
  void aChainThatCouldBePutTogetherInManyWaysIsRefused() {
    assertEquals(
        "certificate chain with 3 certificates of CN=ca-2 (expected: at most 2)",
        refusal(authorities(1, 2, 3, 2, 3, 2)));
  }

  @Test
  void aChainThatIsTooLongIsRefused() {
    assertEquals(
        "certificate chain of 11 certificates (expected: at most 10)",
        refusal(authorities(IntStream.range(0, 11).toArray())));
  }

  @Test
  void bothEndsLookAtThatFirst() {
    X509Certificate[] chain = authorities(IntStream.range(0, 11).toArray());
    PeerTrust trust = PeerTrust.in(List.of(root.rootCertificate()));
    KeyMaterial own = root.workload("spiffe://cluster.local/ns/shop/sa/web");
    var ofClients = new ServerTls.ClientVerifier(own, trust, Set.of());
    var ofServers = new ClientTls.ServerVerifier(trust);
    for (Executable check :
        List.<Executable>of(
            () -> ofClients.checkClientTrusted(chain, "UNKNOWN", (SSLEngine) null),
            () -> ofServers.checkServerTrusted(chain, "UNKNOWN", (SSLEngine) null))) {
      String refusal = String.valueOf(assertThrows(CertificateException.class, check).getMessage());
      assertTrue(refusal.startsWith("certificate chain of 11 certificates"), refusal);
    }
  }
}
