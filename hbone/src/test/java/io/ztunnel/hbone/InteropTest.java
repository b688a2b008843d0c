package io.ztunnel.hbone;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.util.ReferenceCountUtil;
import java.io.ByteArrayOutputStream;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Both our ends against Netty's own HTTP/2. */
class InteropTest {
  private final Loopback mesh = new Loopback();
  private final TestPki pki = TestPki.root("root");
  private final byte[] payload = new byte[5 << 20];

  InteropTest() {
    new Random(1).nextBytes(payload);
  }

  @AfterEach
  void stop() {
    mesh.close();
  }

  @Test
  void ourPoolAgainstNettysServer() {
    ServerTls tls = mesh.serverTls(pki.workload(Loopback.SERVER));
    InetSocketAddress address =
        mesh.listen(channel -> NettyPeer.accept(channel, tls, 100, NettyPeer.ECHO));
    HbonePool pool =
        mesh.pool(mesh.clientTls(pki.workload(Loopback.CLIENT)), HboneSettings.defaults());
    Opened opened = mesh.open(pool, Loopback.key(address, "uid"));
    assertNull(opened.failure);
    mesh.run(
        () -> {
          opened.tunnel().write(Unpooled.wrappedBuffer(payload));
          opened.tunnel().shutdownOutput();
        });
    mesh.await("the end", opened.listener::isOver);
    assertEquals("finished", opened.listener.events.getLast());
    assertArrayEquals(payload, opened.listener.payload.toByteArray());
  }

  @Test
  void nettysClientAgainstOurServer() {
    InetSocketAddress address =
        mesh.serve(
            mesh.serverTls(pki.workload(Loopback.SERVER)),
            HboneSettings.defaults(),
            EchoHandler::new);
    ClientTls tls = mesh.clientTls(pki.workload(Loopback.CLIENT));
    NettyClient client = new NettyClient(tls);
    Channel channel = mesh.connect(address, client);
    mesh.await("the answer's end", () -> client.ended);
    channel.close();
    assertEquals(List.of("200 k8s.namespace.name=echo"), client.answers);
    assertArrayEquals(payload, client.received.toByteArray());
  }

  /** Opens one stream for a CONNECT with all of the payload. Confined to the loop. */
  private final class NettyClient extends ChannelInboundHandlerAdapter {
    private final ClientTls tls;
    private final List<String> answers = new ArrayList<>();
    private final ByteArrayOutputStream received = new ByteArrayOutputStream();
    private boolean ended;

    NettyClient(ClientTls tls) {
      this.tls = tls;
    }

    @Override
    public void handlerAdded(ChannelHandlerContext ctx) {
      ctx.pipeline()
          .addLast(
              tls.newHandler(ctx.alloc(), List.of(Loopback.SERVER)),
              Http2FrameCodecBuilder.forClient()
                  .initialSettings(Http2Settings.defaultSettings().pushEnabled(false))
                  .build(),
              new Http2MultiplexHandler(new ChannelInboundHandlerAdapter()));
    }

    @Override
    public void channelActive(ChannelHandlerContext ctx) {
      ctx.fireChannelActive();
      new Http2StreamChannelBootstrap(ctx.channel())
          .handler(new OneStream())
          .open()
          .addListener(
              opened -> {
                Channel stream = (Channel) opened.getNow();
                stream.write(
                    new DefaultHttp2HeadersFrame(
                        new DefaultHttp2Headers().method("CONNECT").authority("10.0.0.1:80")));
                // Padded, in frames as the codec cuts them.
                stream.writeAndFlush(
                    new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(payload), true, 100));
              });
    }

    private final class OneStream extends ChannelInboundHandlerAdapter {
      @Override
      public void channelRead(ChannelHandlerContext ctx, Object frame) {
        switch (frame) {
          case Http2HeadersFrame headers ->
              answers.add(headers.headers().status() + " " + headers.headers().get("baggage"));
          case Http2DataFrame data -> {
            received.writeBytes(ByteBufUtil.getBytes(data.content()));
            ended |= data.isEndStream();
          }
          default -> {}
        }
        ReferenceCountUtil.release(frame);
      }
    }
  }
}
