package io.ztunnel.proxy;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.ztunnel.hbone.SpiffeId;
import io.ztunnel.hbone.Tunnel;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * What an application behind a PROXY tunnel is told before the client's bytes: PROXY protocol
 * version 2, with the peer's identity as TLV 0xD0 (Istio). Immutable.
 *
 * @param source the client's end of the tunnel's TCP connection
 * @param destination what the client asked for
 */
record ProxyProtocolHeader(
    InetSocketAddress source, InetSocketAddress destination, @Nullable SpiffeId identity) {
  private static final byte[] SIGNATURE = {
    0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A
  };
  private static final int VERSION_2_PROXY = 0x21;
  private static final int UNSPECIFIED_STREAM = 0x01;
  private static final int IPV4_STREAM = 0x11;
  private static final int IPV6_STREAM = 0x21;
  private static final int TLV_IDENTITY = 0xD0;
  private static final int LARGEST_BYTES = 16 + 36 + 3 + 0xffff;

  /** The header's bytes; the caller owns the buffer. */
  ByteBuf encode(ByteBufAllocator allocator) {
    byte[] sourceIp = source.getAddress().getAddress();
    byte[] destinationIp = destination.getAddress().getAddress();
    boolean sameFamily = sourceIp.length == destinationIp.length;
    byte[] name =
        identity == null ? new byte[0] : identity.toString().getBytes(StandardCharsets.UTF_8);
    int addressBytes = sameFamily ? 2 * sourceIp.length + 4 : 0;
    int tlvBytes = identity == null ? 0 : 3 + name.length;
    ByteBuf header = allocator.directBuffer(Tunnel.HEAD_ROOM_BYTES + 64 + tlvBytes, LARGEST_BYTES);
    header.writeBytes(SIGNATURE).writeByte(VERSION_2_PROXY);
    header.writeByte(
        !sameFamily ? UNSPECIFIED_STREAM : sourceIp.length == 4 ? IPV4_STREAM : IPV6_STREAM);
    header.writeShort(addressBytes + tlvBytes);
    if (sameFamily) {
      header.writeBytes(sourceIp).writeBytes(destinationIp);
      header.writeShort(source.getPort()).writeShort(destination.getPort());
    }
    if (identity != null) {
      header.writeByte(TLV_IDENTITY).writeShort(name.length).writeBytes(name);
    }
    return header;
  }
}
