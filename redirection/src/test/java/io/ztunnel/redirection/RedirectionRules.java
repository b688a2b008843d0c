package io.ztunnel.redirection;

/**
 * What the CNI agent programs in a captured pod, in the form of {@code iptables-restore}.
 * Immutable.
 *
 * <p>Source: Istio's CNI agent, in-pod rules with DNS capture. Mark 0x539 is the proxy's, mark
 * 0x111 that of its connections that carry a client's address. The proxy's own questions are
 * tracked in a zone of their own, else their answers could be taken for answers to the pod's.
 */
enum RedirectionRules {
  IPV4("iptables-restore", "127.0.0.1/32", "169.254.7.127"),
  IPV6("ip6tables-restore", "::1/128", "fd16:9254:7127:1337:ffff:ffff:ffff:ffff");

  private final String program;
  private final String loopback;
  private final String probeSource;

  RedirectionRules(String program, String loopback, String probeSource) {
    this.program = program;
    this.loopback = loopback;
    this.probeSource = probeSource;
  }

  String program() {
    return program;
  }

  String text() {
    return """
        *mangle
        :ISTIO_PRERT - [0:0]
        :ISTIO_OUTPUT - [0:0]
        -A PREROUTING -j ISTIO_PRERT
        -A OUTPUT -j ISTIO_OUTPUT
        -A ISTIO_PRERT -m mark --mark 0x539/0xfff -j CONNMARK --set-xmark 0x111/0xfff
        -A ISTIO_OUTPUT -m connmark --mark 0x111/0xfff -j CONNMARK --restore-mark \
        --nfmask 0xffffffff --ctmask 0xffffffff
        COMMIT
        *raw
        :ISTIO_PRERT - [0:0]
        :ISTIO_OUTPUT - [0:0]
        -A PREROUTING -j ISTIO_PRERT
        -A OUTPUT -j ISTIO_OUTPUT
        -A ISTIO_OUTPUT -p udp -m mark --mark 0x539/0xfff -m udp --dport 53 -j CT --zone 1
        -A ISTIO_PRERT -p udp -m mark ! --mark 0x539/0xfff -m udp --sport 53 -j CT --zone 1
        COMMIT
        *nat
        :ISTIO_PRERT - [0:0]
        :ISTIO_OUTPUT - [0:0]
        -A PREROUTING -j ISTIO_PRERT
        -A OUTPUT -j ISTIO_OUTPUT
        -A ISTIO_PRERT -s PROBE -p tcp -m tcp -j ACCEPT
        -A ISTIO_PRERT ! -d LOOPBACK -p tcp -m tcp ! --dport 15008 \
        -m mark ! --mark 0x539/0xfff -j REDIRECT --to-ports 15006
        -A ISTIO_OUTPUT -d PROBE -p tcp -m tcp -j ACCEPT
        -A ISTIO_OUTPUT ! -o lo -p udp -m mark ! --mark 0x539/0xfff -m udp --dport 53 \
        -j REDIRECT --to-ports 15053
        -A ISTIO_OUTPUT ! -d LOOPBACK -p tcp -m tcp --dport 53 -m mark ! --mark 0x539/0xfff \
        -j REDIRECT --to-ports 15053
        -A ISTIO_OUTPUT -p tcp -m mark --mark 0x111/0xfff -j ACCEPT
        -A ISTIO_OUTPUT ! -d LOOPBACK -o lo -j ACCEPT
        -A ISTIO_OUTPUT ! -d LOOPBACK -p tcp -m mark ! --mark 0x539/0xfff \
        -j REDIRECT --to-ports 15001
        COMMIT
        """
        .replace("LOOPBACK", loopback)
        .replace("PROBE", probeSource);
  }

  /** In {@code ip -batch} form: replies to a client's address end here, at the proxy's socket. */
  String routes() {
    return """
        rule add fwmark 0x111/0xfff priority 32764 lookup 100
        route add local default dev lo table 100
        """;
  }
}
