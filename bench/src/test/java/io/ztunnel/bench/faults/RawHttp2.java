package io.ztunnel.bench.faults;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersDecoder;
import io.netty.handler.codec.http2.DefaultHttp2HeadersEncoder;
import io.netty.handler.codec.http2.Http2CodecUtil;
import io.netty.handler.codec.http2.Http2Exception;
import io.netty.handler.codec.http2.Http2FrameTypes;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersEncoder;
import io.ztunnel.hbone.KeyMaterial;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedKeyManager;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * One end of an HTTP/2 connection over mutual TLS, which says what a test wants it to say, frame by
 * frame, and takes any peer for good. Does nothing by itself: acknowledges no settings, gives no
 * credit. For one thread.
 */
final class RawHttp2 implements AutoCloseable {
  /** One frame as it came. */
  record Frame(int type, int flags, int stream, ByteBuffer payload) {
    boolean is(int wanted, int wantedStream) {
      return type == wanted && stream == wantedStream;
    }

    /** Whether it answers a PING. */
    boolean isAnswer() {
      return type == PING && (flags & ACK) != 0;
    }

    int length() {
      return payload.remaining();
    }

    /** The 32 bits that GOAWAY has second, RST_STREAM and WINDOW_UPDATE first. */
    int number(int offset) {
      return payload.getInt(offset);
    }
  }

  static final byte DATA = Http2FrameTypes.DATA;
  static final byte HEADERS = Http2FrameTypes.HEADERS;
  static final byte RST_STREAM = Http2FrameTypes.RST_STREAM;
  static final byte WINDOW_UPDATE = Http2FrameTypes.WINDOW_UPDATE;
  static final byte SETTINGS = Http2FrameTypes.SETTINGS;
  static final byte PING = Http2FrameTypes.PING;
  static final byte GO_AWAY = Http2FrameTypes.GO_AWAY;
  static final int ACK = 0x1;
  static final int END_STREAM = 0x1;
  static final int END_HEADERS = 0x4;
  static final int CANCEL = 8;
  static final int REFUSED_STREAM = 7;

  private final Socket transport;
  private final SSLSocket tls;
  private final DataInputStream in;
  private final OutputStream out;
  private final DefaultHttp2HeadersEncoder encoder =
      new DefaultHttp2HeadersEncoder(Http2HeadersEncoder.NEVER_SENSITIVE);
  private final DefaultHttp2HeadersDecoder decoder = new DefaultHttp2HeadersDecoder(false);

  /** The last header block that came. */
  private Http2Headers headers = new DefaultHttp2Headers();

  private RawHttp2(Socket transport, SSLSocket tls) throws IOException {
    this.transport = transport;
    this.tls = tls;
    this.in = new DataInputStream(tls.getInputStream());
    this.out = tls.getOutputStream();
  }

  /** Secures a connection as its client. Whether the server likes us shows when we read. */
  static RawHttp2 client(Socket transport, KeyMaterial material) throws IOException {
    return new RawHttp2(transport, handshake(transport, material, true));
  }

  /** Secures a connection as its server, with a client's certificate. */
  static RawHttp2 server(Socket transport, KeyMaterial material) throws IOException {
    return new RawHttp2(transport, handshake(transport, material, false));
  }

  private static SSLSocket handshake(Socket transport, KeyMaterial material, boolean client)
      throws IOException {
    try {
      SSLContext context = SSLContext.getInstance("TLSv1.3");
      context.init(
          new KeyManager[] {new OneKey(material)}, new TrustManager[] {new Credulous()}, null);
      SSLSocket socket =
          (SSLSocket) context.getSocketFactory().createSocket(transport, "peer", 0, true);
      socket.setUseClientMode(client);
      SSLParameters parameters = socket.getSSLParameters();
      parameters.setApplicationProtocols(new String[] {"h2"});
      parameters.setNeedClientAuth(!client);
      socket.setSSLParameters(parameters);
      socket.startHandshake();
      return socket;
    } catch (GeneralSecurityException e) {
      throw new IOException("no TLS", e);
    }
  }

  /** The client's preface with settings that are all default. */
  void clientPreface() throws IOException {
    out.write(ByteBufUtil.getBytes(Http2CodecUtil.connectionPrefaceBuf()));
    frame(SETTINGS, 0, 0, new byte[0]);
  }

  /** The server's preface: the client's is read, and settings that are all default sent. */
  void serverPreface() throws IOException {
    in.skipNBytes(Http2CodecUtil.connectionPrefaceBuf().readableBytes());
    frame(SETTINGS, 0, 0, new byte[0]);
  }

  void frame(byte type, int flags, int stream, byte[] payload) throws IOException {
    byte[] frame = header(payload.length, type, flags, stream);
    System.arraycopy(payload, 0, frame, Http2CodecUtil.FRAME_HEADER_LENGTH, payload.length);
    out.write(frame);
    out.flush();
  }

  /** A frame of which only the first bytes come. */
  void beginFrame(byte type, int stream, int length, byte[] firstBytes) throws IOException {
    byte[] frame = header(length, type, 0, stream);
    System.arraycopy(firstBytes, 0, frame, Http2CodecUtil.FRAME_HEADER_LENGTH, firstBytes.length);
    out.write(frame, 0, Http2CodecUtil.FRAME_HEADER_LENGTH + firstBytes.length);
    out.flush();
  }

  /** A frame of this length whose payload is still to be filled in. */
  private static byte[] header(int length, byte type, int flags, int stream) {
    byte[] frame = new byte[Http2CodecUtil.FRAME_HEADER_LENGTH + length];
    ByteBuffer.wrap(frame)
        .put((byte) (length >> 16))
        .putShort((short) length)
        .put(type)
        .put((byte) flags)
        .putInt(stream);
    return frame;
  }

  /** Any bytes, within TLS. */
  void write(byte[] bytes) throws IOException {
    out.write(bytes);
    out.flush();
  }

  void reset(int stream, int code) throws IOException {
    frame(RST_STREAM, 0, stream, ByteBuffer.allocate(4).putInt(code).array());
  }

  /** A CONNECT as it should be. */
  void connect(int stream, String authority) throws IOException {
    headers(stream, ":method", "CONNECT", ":authority", authority);
  }

  /** A header block of these names and values. */
  void headers(int stream, String... namesAndValues) throws IOException {
    Http2Headers headers = new DefaultHttp2Headers(false);
    for (int i = 0; i < namesAndValues.length; i += 2) {
      headers.add(namesAndValues[i], namesAndValues[i + 1]);
    }
    ByteBuf block = Unpooled.buffer();
    try {
      encoder.encodeHeaders(stream, headers, block);
      frame(HEADERS, END_HEADERS, stream, ByteBufUtil.getBytes(block));
    } catch (Http2Exception e) {
      throw new IOException("headers that cannot be encoded", e);
    } finally {
      block.release();
    }
  }

  Frame read() throws IOException {
    int length = in.readUnsignedByte() << 16 | in.readUnsignedShort();
    int type = in.readUnsignedByte();
    int flags = in.readUnsignedByte();
    int stream = in.readInt();
    ByteBuffer payload = ByteBuffer.wrap(in.readNBytes(length));
    if (type == HEADERS) {
      headers = decode(stream, payload); // each one, because they build on each other
    }
    return new Frame(type, flags, stream, payload);
  }

  private Http2Headers decode(int stream, ByteBuffer payload) throws IOException {
    ByteBuf block = Unpooled.wrappedBuffer(payload);
    try {
      return decoder.decodeHeaders(stream, block);
    } catch (Http2Exception e) {
      throw new IOException("headers that cannot be decoded", e);
    }
  }

  /** Reads on to a frame of this type and stream. */
  Frame await(byte type, int stream) throws IOException {
    while (true) {
      Frame frame = read();
      if (frame.is(type, stream)) {
        return frame;
      }
      if (frame.type() == RST_STREAM && frame.stream() == stream) {
        throw new IOException("RST_STREAM with code " + frame.number(0));
      }
    }
  }

  /** Asks by a PING, and reads on to its answer: the peer has read what was sent before. */
  void awaitRead() throws IOException {
    frame(PING, 0, 0, new byte[8]);
    while (!read().isAnswer()) {
      // what it has sent before
    }
  }

  /** Reads on to the next header block of a stream. */
  Http2Headers awaitHeaders(int stream) throws IOException {
    Frame _ = await(HEADERS, stream);
    return headers;
  }

  /** Reads on to the answer of a CONNECT; returns its status. */
  String awaitStatus(int stream) throws IOException {
    return String.valueOf(awaitHeaders(stream).status());
  }

  /** Reads until the peer ends the connection; returns what it threw then, or EOF. */
  IOException awaitEnd() {
    try {
      while (true) {
        Frame _ = read();
      }
    } catch (EOFException e) {
      return e;
    } catch (IOException e) {
      return e;
    }
  }

  /** The connection below: what is done to it, TLS does not hear of. */
  Socket transport() {
    return transport;
  }

  @Override
  public void close() throws IOException {
    transport.close(); // no close_notify: it might block on a peer that reads nothing
    tls.close();
  }

  /** Shows one certificate to everybody, whatever issuers they name. */
  private static final class OneKey extends X509ExtendedKeyManager {
    private static final String ALIAS = "own";
    private final KeyMaterial material;

    OneKey(KeyMaterial material) {
      this.material = material;
    }

    @Override
    public String[] getClientAliases(String keyType, Principal[] issuers) {
      return new String[] {ALIAS};
    }

    @Override
    public String chooseClientAlias(String[] keyType, Principal[] issuers, Socket socket) {
      return ALIAS;
    }

    @Override
    public String[] getServerAliases(String keyType, Principal[] issuers) {
      return new String[] {ALIAS};
    }

    @Override
    public String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
      return ALIAS;
    }

    @Override
    public X509Certificate[] getCertificateChain(String alias) {
      return material.chain().toArray(X509Certificate[]::new);
    }

    @Override
    public PrivateKey getPrivateKey(String alias) {
      return material.key();
    }
  }

  /** Believes everybody. */
  private static final class Credulous extends X509ExtendedTrustManager {
    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket) {}

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine) {}

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return new X509Certificate[0];
    }
  }
}
