package io.ztunnel.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.NetUtil;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ResolverConfigTest {
  @Test
  void readsWhatSteersLookups() {
    ResolverConfig resolver =
        ResolverConfig.parse(
            """
            # by the node
            domain old.example
            search istio-system.svc.cluster.local svc.cluster.local ; both
            nameserver 10.96.0.10
            nameserver fe80::1%eth0
            options ndots:5 timeout:3 attempts:9 edns0 rotate
            sortlist 10.0.0.0
            """);
    assertEquals("old.example", resolver.domain());
    assertEquals(List.of("istio-system.svc.cluster.local", "svc.cluster.local"), resolver.search());
    assertEquals(
        List.of("10.96.0.10", "fe80::1"),
        resolver.nameservers().stream().map(NetUtil::toAddressString).toList());
    assertEquals(5, resolver.ndots());
    assertEquals(Duration.ofSeconds(3), resolver.timeout());
    assertEquals(5, resolver.attempts());
    assertTrue(resolver.edns0());
  }

  @Test
  void withoutAServerTheOneOnLoopbackIsAsked() {
    ResolverConfig resolver = ResolverConfig.load(new FakeHost(1).without(ResolverConfig.FILE));
    assertEquals(List.of(NetUtil.LOCALHOST4), resolver.nameservers());
    assertEquals(ResolverConfig.parse("search x\n").nameservers(), resolver.nameservers());
    assertEquals(1, resolver.ndots());
    assertEquals(Duration.ofSeconds(5), resolver.timeout());
    assertEquals(2, resolver.attempts());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"nameserver dns.example", "nameserver", "options ndots:x", "options ndots"})
  void aLineThatDoesNotParseIsNamed(String line) {
    var host = new FakeHost(1).with(ResolverConfig.FILE, line + "\n");
    var refused = assertThrows(ConfigException.class, () -> ResolverConfig.load(host));
    String message = String.valueOf(refused.getMessage());
    assertTrue(message.startsWith("invalid configuration: /etc/resolv.conf: "), message);
    assertTrue(message.contains("expected: "), message);
  }
}
