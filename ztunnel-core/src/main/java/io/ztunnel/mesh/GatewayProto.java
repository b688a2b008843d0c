package io.ztunnel.mesh;

import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import org.jspecify.annotations.Nullable;

/**
 * {@code istio.workload.GatewayAddress} as it is read, and the addresses that other messages share
 * with it. Confined to the thread that uses it.
 */
final class GatewayProto {
  private @Nullable Hostname hostname;
  private @Nullable Address address;
  private int port;

  static GatewayProto merge(@Nullable GatewayProto present, ProtoReader in, int tag)
      throws IOException {
    GatewayProto gateway = present == null ? new GatewayProto() : present;
    in.message(tag, gateway::read);
    return gateway;
  }

  private void read(ProtoReader in, int tag) throws IOException {
    switch (ProtoReader.field(tag)) {
      case 1 -> {
        address = null; // of the two the last one counts
        hostname = hostname == null ? new Hostname() : hostname;
        in.message(tag, hostname::read);
      }
      case 2 -> {
        hostname = null;
        address = address == null ? new Address() : address;
        in.message(tag, address::read);
      }
      case 3 -> port = in.number(tag) & Ports.MAX;
      default -> in.skip(tag);
    }
  }

  GatewayAddress build() throws ResourceException {
    if (hostname != null) {
      return new GatewayAddress(
          new NamespacedHostname(hostname.namespace, hostname.hostname), port);
    }
    if (address != null) {
      return new GatewayAddress(new NetworkAddress(address.network, ip(address.bytes)), port);
    }
    throw new ResourceException("nonempty gateway address is missing address");
  }

  /**
   * The address of 4 or 16 bytes. One that is IPv4 mapped into IPv6 is the IPv4 address, as sockets
   * have it.
   */
  static InetAddress ip(byte[] bytes) throws ResourceException {
    try {
      return InetAddress.getByAddress(bytes);
    } catch (UnknownHostException e) {
      throw new ResourceException(
          "failed to parse address, had %d bytes (expected: 4 or 16)".formatted(bytes.length));
    }
  }

  /** {@code NamespacedHostname}. */
  private static final class Hostname {
    private String namespace = "";
    private String hostname = "";

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> namespace = in.string(tag);
        case 2 -> hostname = in.string(tag);
        default -> in.skip(tag);
      }
    }
  }

  /** {@code NetworkAddress}. */
  static final class Address {
    private static final int NO_LENGTH = -1;
    private static final int V6_BYTES = 16;

    private String network = "";
    private byte[] bytes = {};

    /** Unsigned. */
    private long length = NO_LENGTH;

    void read(ProtoReader in, int tag) throws IOException {
      switch (ProtoReader.field(tag)) {
        case 1 -> network = in.string(tag);
        case 2 -> bytes = in.bytes(tag);
        case 3 -> length = Integer.toUnsignedLong(in.number(tag));
        default -> in.skip(tag);
      }
    }

    boolean isExact() {
      return length == NO_LENGTH || length == (long) bytes.length * Byte.SIZE;
    }

    NetworkAddress exact() throws ResourceException {
      return new NetworkAddress(network, ip(bytes));
    }

    NetworkCidr range() throws ResourceException {
      Cidr cidr = cidr(bytes, length);
      if (cidr == null) {
        throw new ResourceException(
            "invalid cidr: %s/%d (expected: a prefix length of 0-%d)"
                .formatted(IpText.of(ip(bytes)), length, bytes.length * Byte.SIZE));
      }
      return new NetworkCidr(network, cidr);
    }

    /** The range; null when the length is none for this address. */
    static @Nullable Cidr cidr(byte[] bytes, long length) throws ResourceException {
      InetAddress ip = ip(bytes);
      int bits = IpBits.of(ip).length();
      // The first 96 bits of a mapped IPv4 address say that it is one.
      long own = bytes.length == V6_BYTES ? length - IpBits.V6_LENGTH + bits : length;
      return own < 0 || own > bits ? null : new Cidr(ip, (int) own);
    }
  }
}
