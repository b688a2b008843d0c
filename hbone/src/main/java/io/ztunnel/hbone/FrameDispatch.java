package io.ztunnel.hbone;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2Headers;
import org.jspecify.annotations.Nullable;

/**
 * What each frame means in the state of its stream and connection (RFC 9113, 5 and 6): who hears of
 * it, or which error it is.
 *
 * <p>Confined to its connection's event loop.
 */
final class FrameDispatch implements FrameHandler, HeaderBlocks.Listener {
  private static final int INITIAL_WINDOW_BYTES = 65_535;

  private final Http2Connection connection;
  private final Http2Role role;
  private final Streams streams;
  private final FloodGuard floods;
  private final HeaderBlocks headerBlocks;

  private int prefaceBytesRead;
  private boolean peerSettingsSeen;
  private boolean settingsAcknowledged;
  private int lastPeerStreamId;
  private int peerInitialWindowBytes = INITIAL_WINDOW_BYTES;
  private long peerMaxStreams = -1;
  private int lastGoAwayStreamId = Integer.MAX_VALUE;

  /** The stream of the DATA frame being read, unless its payload is of no use to anybody. */
  private @Nullable TunnelStream dataStream;

  FrameDispatch(
      Http2Connection connection,
      Http2Role role,
      Streams streams,
      FloodGuard floods,
      ByteBufAllocator alloc) {
    this.connection = connection;
    this.role = role;
    this.streams = streams;
    this.floods = floods;
    this.headerBlocks = new HeaderBlocks(alloc, role.maxHeaderListBytes(), this);
  }

  int lastPeerStreamId() {
    return lastPeerStreamId;
  }

  int peerInitialWindowBytes() {
    return peerInitialWindowBytes;
  }

  boolean isSettingsAcknowledged() {
    return settingsAcknowledged;
  }

  long peerMaxStreams(long untilKnown) {
    return peerMaxStreams < 0 ? untilKnown : peerMaxStreams;
  }

  void close() {
    headerBlocks.close();
  }

  /** Takes what arrived, and its buffer: the rest of the preface, then frames. */
  void read(FrameReader reader, ByteBuf in) throws ConnectionError {
    try {
      readPreface(in);
    } catch (ConnectionError e) {
      in.release();
      throw e;
    }
    reader.read(in);
  }

  private void readPreface(ByteBuf in) throws ConnectionError {
    byte[] expected = role.expectedPreface();
    while (prefaceBytesRead < expected.length && in.isReadable()) {
      if (in.readByte() != expected[prefaceBytesRead++]) {
        throw new ConnectionError(
            Http2Error.PROTOCOL_ERROR, "no HTTP/2 preface (expected: PRI * HTTP/2.0)");
      }
    }
  }

  @Override
  public void onFrame(int type, int streamId) throws ConnectionError {
    if (!peerSettingsSeen && type != FrameType.SETTINGS) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR, "first frame of type " + type + " (expected: SETTINGS)");
    }
    if (headerBlocks.isOpen() && type != FrameType.CONTINUATION) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR,
          "frame of type " + type + " inside a header block (expected: CONTINUATION)");
    }
  }

  // DATA

  @Override
  public void onDataStart(int streamId, int flowBytes) throws ConnectionError {
    if (!connection.credit().receive(flowBytes)) {
      throw new ConnectionError(
          Http2Error.FLOW_CONTROL_ERROR, "DATA beyond the window of the connection");
    }
    @Nullable TunnelStream stream = streams.get(streamId);
    dataStream = null;
    if (stream == null) {
      onFrameOfClosedStream(streamId, "DATA");
    } else if (stream.receive().isEnded()) {
      streamError(stream, Http2Error.STREAM_CLOSED);
    } else if (!stream.receive().receive(flowBytes)) {
      streamError(stream, Http2Error.FLOW_CONTROL_ERROR);
    } else if (stream.isOpening() && role.side() == HboneObserver.Role.CLIENT) {
      streamError(stream, Http2Error.PROTOCOL_ERROR); // DATA before the answer's HEADERS
    } else {
      dataStream = stream;
    }
  }

  @Override
  public void onDataChunk(int streamId, ByteBuf chunk) {
    TunnelStream stream = dataStream;
    if (!chunk.isReadable()) {
      chunk.release();
    } else if (stream == null || stream.isOver()) {
      connection.credit().giveBack(chunk.readableBytes());
      chunk.release();
    } else {
      stream.receive().onPayload(chunk);
    }
  }

  @Override
  public void onDataEnd(int streamId, int dataBytes, int paddingBytes, boolean endStream)
      throws ConnectionError {
    floods.countData(dataBytes, endStream);
    connection.credit().giveBack(paddingBytes);
    TunnelStream stream = dataStream;
    dataStream = null;
    if (stream == null || stream.isOver()) {
      return;
    }
    stream.receive().onPadding(paddingBytes);
    if (endStream) {
      stream.onRemoteEnd();
    }
  }

  // HEADERS

  @Override
  public void onHeaders(
      int streamId, ByteBuf fragment, boolean endHeaders, boolean endStream, int dependency)
      throws ConnectionError {
    if (dependency == streamId) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR, "stream " + streamId + " depends on itself");
    }
    if (!role.isPeerStream(streamId) && isIdle(streamId)) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR, "HEADERS on stream " + streamId + ", which is idle");
    }
    headerBlocks.onHeaders(streamId, fragment, endHeaders, endStream);
    if (!endHeaders) {
      connection.onHeaderBlockBegun();
    }
  }

  @Override
  public void onContinuation(int streamId, ByteBuf fragment, boolean endHeaders)
      throws ConnectionError {
    if (endHeaders) {
      connection.onHeaderBlockComplete();
    }
    headerBlocks.onContinuation(streamId, fragment, endHeaders);
  }

  @Override
  public void onBlock(int streamId, Http2Headers headers, boolean endStream)
      throws ConnectionError {
    @Nullable TunnelStream stream = streams.get(streamId);
    if (stream != null) {
      if (stream.receive().isEnded()) {
        streamError(stream, Http2Error.STREAM_CLOSED);
      } else {
        stream.onHeaders(headers, endStream);
      }
    } else if (role.isPeerStream(streamId) && streamId > lastPeerStreamId) {
      lastPeerStreamId = streamId;
      role.onRequest(streamId, headers, endStream);
    } else {
      onHeadersOfClosedStream(streamId);
    }
  }

  @Override
  public void onMalformedBlock(int streamId, Http2Error code, String message)
      throws ConnectionError {
    @Nullable TunnelStream stream = streams.get(streamId);
    if (stream != null) {
      streamError(stream, code);
    } else if (role.isPeerStream(streamId) && streamId > lastPeerStreamId) {
      lastPeerStreamId = streamId;
      refuse(streamId, code);
    } else {
      onHeadersOfClosedStream(streamId);
    }
  }

  /** Fields after the payload: they end the stream, and mean nothing else here. */
  void onTrailers(TunnelStream stream, Http2Headers headers, boolean endStream)
      throws ConnectionError {
    boolean pseudo =
        headers.names().stream().anyMatch(Http2Headers.PseudoHeaderName::hasPseudoHeaderFormat);
    if (!endStream || pseudo) {
      streamError(stream, Http2Error.PROTOCOL_ERROR);
    } else {
      stream.onRemoteEnd();
    }
  }

  /** Resets a stream that is not in the table and never will be. */
  void refuse(int streamId, Http2Error code) throws ConnectionError {
    floods.count(
        code == Http2Error.REFUSED_STREAM ? FloodGuard.Kind.REFUSED : FloodGuard.Kind.STREAM_ERROR);
    streams.onRefused(streamId);
    floods.onResetSent();
    connection.writer().reset(streamId, code.code());
  }

  // Other frames

  @Override
  public void onPriority(int streamId, int dependency) throws ConnectionError {
    floods.count(FloodGuard.Kind.PRIORITY);
    if (dependency == streamId) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR, "stream " + streamId + " depends on itself");
    }
  }

  @Override
  public void onReset(int streamId, long errorCode) throws ConnectionError {
    @Nullable TunnelStream stream = streams.get(streamId);
    if (stream == null) {
      requireNotIdle(streamId, "RST_STREAM");
      floods.count(FloodGuard.Kind.RESET);
      return;
    }
    // A request of ours that the peer resets throws none of our work away.
    boolean early = stream.isOpening() && role.side() == HboneObserver.Role.SERVER;
    floods.count(early ? FloodGuard.Kind.EARLY_RESET : FloodGuard.Kind.RESET);
    connection.onStreamReset(stream, new TunnelTermination.Reset(errorCode));
  }

  @Override
  public void onSettings(ByteBuf entries) throws ConnectionError {
    floods.count(FloodGuard.Kind.SETTINGS);
    while (entries.isReadable()) {
      onSetting(entries.readUnsignedShort(), entries.readUnsignedInt());
    }
    connection.writer().settingsAck();
    if (!peerSettingsSeen) {
      peerSettingsSeen = true;
      connection.onPeerReady();
    }
    role.onPeerSettings();
    connection.scheduler().serve();
  }

  @Override
  public void onSettingsAck() throws ConnectionError {
    if (!peerSettingsSeen) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR, "first frame is a SETTINGS ACK (expected: SETTINGS)");
    }
    floods.count(FloodGuard.Kind.SETTINGS);
    settingsAcknowledged = true;
  }

  @Override
  public void onPing(long payload, boolean ack) throws ConnectionError {
    floods.count(FloodGuard.Kind.PING);
    if (ack) {
      connection.onPong(payload);
    } else {
      connection.writer().ping(payload, true);
    }
  }

  @Override
  public void onGoAway(int lastStreamId, long errorCode, String debug) throws ConnectionError {
    floods.count(FloodGuard.Kind.NOTICE);
    if (role.side() == HboneObserver.Role.CLIENT) {
      // What an earlier one left out was sent again elsewhere (RFC 9113, 6.8).
      if (lastStreamId > lastGoAwayStreamId) {
        throw new ConnectionError(
            Http2Error.PROTOCOL_ERROR,
            "GOAWAY up to stream "
                + lastStreamId
                + " (expected: at most "
                + lastGoAwayStreamId
                + ")");
      }
      lastGoAwayStreamId = lastStreamId;
    }
    role.onGoAway(lastStreamId, errorCode, debug);
  }

  @Override
  public void onWindowUpdate(int streamId, int increment) throws ConnectionError {
    floods.count(FloodGuard.Kind.WINDOW_UPDATE);
    if (streamId == 0) {
      if (increment == 0) {
        throw new ConnectionError(
            Http2Error.PROTOCOL_ERROR, "WINDOW_UPDATE of 0 (expected: at least 1)");
      }
      if (!connection.scheduler().window().add(increment)) {
        throw new ConnectionError(
            Http2Error.FLOW_CONTROL_ERROR, "window of the connection above 2147483647");
      }
      connection.scheduler().serve();
      return;
    }
    @Nullable TunnelStream stream = streams.get(streamId);
    if (stream == null) {
      requireNotIdle(streamId, "WINDOW_UPDATE");
    } else if (increment == 0) {
      streamError(stream, Http2Error.PROTOCOL_ERROR);
    } else if (!stream.send().addWindow(increment)) {
      streamError(stream, Http2Error.FLOW_CONTROL_ERROR);
    } else {
      connection.scheduler().serve();
    }
  }

  @Override
  public void onUnknown(int type) throws ConnectionError {
    floods.count(FloodGuard.Kind.UNKNOWN);
  }

  private void onSetting(int id, long value) throws ConnectionError {
    switch (id) {
      case SettingIds.HEADER_TABLE_SIZE -> connection.writer().onPeerHeaderTableBytes(value);
      case SettingIds.ENABLE_PUSH -> {
        requireSetting("ENABLE_PUSH", value, 0, role.side() == HboneObserver.Role.SERVER ? 1 : 0);
      }
      case SettingIds.MAX_CONCURRENT_STREAMS -> peerMaxStreams = value;
      case SettingIds.INITIAL_WINDOW_SIZE -> {
        if (value > 0x7fffffffL) {
          throw new ConnectionError(
              Http2Error.FLOW_CONTROL_ERROR,
              "INITIAL_WINDOW_SIZE " + value + " (expected: at most 2147483647)");
        }
        onInitialWindow((int) value);
      }
      case SettingIds.MAX_FRAME_SIZE -> {
        requireSetting("MAX_FRAME_SIZE", value, 16_384, 16_777_215);
        connection.writer().onPeerMaxFrameBytes((int) value);
      }
      default -> {} // unknown ones are ignored; MAX_HEADER_LIST_SIZE is advice that we do not need
    }
  }

  private static void requireSetting(String name, long value, long min, long max)
      throws ConnectionError {
    if (value < min || value > max) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR, name + " " + value + " (expected: " + min + "-" + max + ")");
    }
  }

  /** The new window applies to the streams there are, too (RFC 9113, 6.9.2). */
  private void onInitialWindow(int bytes) throws ConnectionError {
    long change = (long) bytes - peerInitialWindowBytes;
    peerInitialWindowBytes = bytes;
    for (TunnelStream stream : streams.activeNow()) {
      if (!stream.send().addWindow(change)) {
        throw new ConnectionError(
            Http2Error.FLOW_CONTROL_ERROR, "window of " + stream.id() + " above 2147483647");
      }
    }
  }

  private void streamError(TunnelStream stream, Http2Error code) throws ConnectionError {
    floods.count(FloodGuard.Kind.STREAM_ERROR);
    connection.resetStream(stream, code.code());
    stream.terminate(new TunnelTermination.Reset(code.code()));
  }

  private void onFrameOfClosedStream(int streamId, String frame) throws ConnectionError {
    requireNotIdle(streamId, frame);
    if (streams.howClosed(streamId) != ClosedStreams.How.RESET_BY_US) {
      floods.count(FloodGuard.Kind.STREAM_ERROR);
      streams.onRefused(streamId); // say it once, then ignore what is still on its way
      connection.writer().reset(streamId, Http2Error.STREAM_CLOSED.code());
    }
  }

  private void onHeadersOfClosedStream(int streamId) throws ConnectionError {
    requireNotIdle(streamId, "HEADERS");
    switch (streams.howClosed(streamId)) {
      case RESET_BY_US -> floods.count(FloodGuard.Kind.LATE_HEADERS);
      case ENDED, RESET_BY_PEER ->
          throw new ConnectionError(
              Http2Error.STREAM_CLOSED, "HEADERS on stream " + streamId + ", which is closed");
      case FORGOTTEN ->
          throw new ConnectionError(
              Http2Error.PROTOCOL_ERROR,
              "HEADERS on stream " + streamId + " (expected: above " + lastPeerStreamId + ")");
    }
  }

  private void requireNotIdle(int streamId, String frame) throws ConnectionError {
    if (isIdle(streamId)) {
      throw new ConnectionError(
          Http2Error.PROTOCOL_ERROR, frame + " on stream " + streamId + ", which is idle");
    }
  }

  private boolean isIdle(int streamId) {
    return role.isPeerStream(streamId)
        ? streamId > lastPeerStreamId
        : streamId > role.lastOwnStreamId() || (streamId & 1) != (role.lastOwnStreamId() & 1);
  }
}
