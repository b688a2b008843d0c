package io.ztunnel.dns;

import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelOption;
import io.netty.channel.FixedRecvByteBufAllocator;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.DatagramPacket;
import io.netty.util.concurrent.Future;
import java.net.InetAddress;
import java.net.InetSocketAddress;

/**
 * Answers the datagrams that come to one socket, each by itself. Confined to its event loop.
 *
 * <p>Whoever does not take its answers loses them: what the socket does not take at once is
 * dropped, as the network would.
 */
final class DatagramQuestions extends SimpleChannelInboundHandler<DatagramPacket> {
  private final NameService names;
  private long received;

  DatagramQuestions(NameService names) {
    this.names = names;
  }

  /** How many datagrams have been read so far. */
  long received() {
    return received;
  }

  @Override
  public void handlerAdded(ChannelHandlerContext ctx) {
    ctx.channel()
        .config()
        .setOption(
            ChannelOption.RECVBUF_ALLOCATOR,
            new FixedRecvByteBufAllocator(IncomingMessage.MAX_BYTES)); // the rest is cut off
  }

  @Override
  protected void channelRead0(ChannelHandlerContext ctx, DatagramPacket packet) {
    received++;
    InetSocketAddress sender = packet.sender();
    if (!canBeAnswered(sender)) {
      return;
    }
    switch (IncomingMessage.read(ByteBufUtil.getBytes(packet.content()))) {
      case IncomingMessage.Ignored _ -> {}
      case IncomingMessage.Refused refused -> send(ctx, sender, ReplyMessage.refusal(refused));
      case IncomingMessage.Asked(Query query) ->
          names
              .ask(query.question(), DnsProtocol.UDP, ReplyMessage.datagramBytes(query))
              .addListener(
                  (Future<Reply> reply) ->
                      send(ctx, sender, ReplyMessage.datagram(query, reply.getNow())));
    }
  }

  private static boolean canBeAnswered(InetSocketAddress sender) {
    InetAddress address = sender.getAddress();
    boolean broadcast = "255.255.255.255".equals(address.getHostAddress());
    return sender.getPort() != 0
        && !address.isAnyLocalAddress()
        && !address.isMulticastAddress()
        && !broadcast;
  }

  private static void send(ChannelHandlerContext ctx, InetSocketAddress to, byte[] message) {
    if (ctx.channel().isActive() && ctx.channel().isWritable()) {
      ctx.writeAndFlush(new DatagramPacket(Unpooled.wrappedBuffer(message), to))
          .addListener(
              sent -> {
                if (!sent.isSuccess()) {
                  DnsLog.failed("answer not sent", sent.cause());
                }
              });
    }
  }

  @Override
  public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
    // Of one client that has gone; the socket goes on.
    DnsLog.failed("datagram not received", cause);
  }
}
