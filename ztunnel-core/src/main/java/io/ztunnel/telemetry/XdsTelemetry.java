package io.ztunnel.telemetry;

import io.ztunnel.log.Log;
import io.ztunnel.log.LogLevel;
import io.ztunnel.log.Span;
import io.ztunnel.metrics.XdsMetrics;
import io.ztunnel.xds.Rejection;
import io.ztunnel.xds.StreamEnd;
import io.ztunnel.xds.XdsObserver;
import java.time.Duration;
import java.util.List;

/**
 * Logs and counts what the client of the control plane does, and remembers how it is. Told by the
 * thread of the client, asked by any.
 */
public final class XdsTelemetry implements XdsObserver {
  private static final Log LOG = Log.target("ztunnel::xds::client");
  private static final int MAX_REJECTIONS_LOGGED = 20;

  /** The label of types that nobody subscribed to, so that a peer cannot make up series. */
  private static final String UNKNOWN_TYPE = "unknown";

  private final XdsMetrics metrics;
  private final Runnable onWarm;
  private volatile String problem = "no answer yet";

  /**
   * An observer.
   *
   * @param onWarm told once, when the first state of everything is in effect
   */
  public XdsTelemetry(XdsMetrics metrics, Runnable onWarm) {
    this.metrics = metrics;
    this.onWarm = onWarm;
  }

  /** What is wrong with the stream now, in one line; empty: nothing. */
  public String problem() {
    return problem;
  }

  /** What lines about a stream belong to. */
  public static Span span(long stream) {
    return Span.of("xds", new Span.Field("id", stream));
  }

  @Override
  public void onEstablished(long stream) {
    problem = "";
    LOG.at(LogLevel.INFO, span(stream), "Stream established").log();
  }

  @Override
  public void onResponse(
      long stream, String typeUrl, int resources, int removed, long payloadBytes) {
    metrics.received(typeUrl, payloadBytes);
    LOG.at(LogLevel.DEBUG, span(stream), "received response")
        .string("type_url", typeUrl)
        .number("size", resources)
        .number("removes", removed)
        .number("bytes", payloadBytes)
        .log();
  }

  @Override
  public void onUnknownType(long stream, String typeUrl) {
    metrics.received(UNKNOWN_TYPE, 0);
    LOG.at(LogLevel.ERROR, span(stream), "unknown type").string("type_url", typeUrl).log();
  }

  @Override
  public void onRejected(long stream, String typeUrl, List<Rejection> rejections) {
    metrics.rejected(typeUrl, rejections.size());
    for (Rejection rejection :
        rejections.subList(0, Math.min(rejections.size(), MAX_REJECTIONS_LOGGED))) {
      LOG.at(LogLevel.WARN, span(stream), "resource rejected")
          .string("type_url", typeUrl)
          .string("name", rejection.name())
          .string("reason", rejection.reason())
          .log();
    }
    LOG.at(LogLevel.ERROR, span(stream), "nacking response; what was good of it is in effect")
        .string("type_url", typeUrl)
        .number("rejected", rejections.size())
        .log();
  }

  @Override
  public void onPartialEcho(long stream, String typeUrl, int echoed, int held) {
    LOG.at(LogLevel.INFO, span(stream), "more is held than a request can say")
        .string("type_url", typeUrl)
        .number("said", echoed)
        .number("held", held)
        .log();
  }

  @Override
  public void onSwept(long stream, String typeUrl, int removed) {
    LOG.at(LogLevel.INFO, span(stream), "removed what the control plane no longer has")
        .string("type_url", typeUrl)
        .number("removed", removed)
        .log();
  }

  @Override
  public void onEnded(long stream, StreamEnd end, Duration pause) {
    metrics.terminated(end.kind().label());
    LogLevel level =
        switch (end.kind()) {
          case CONNECTION_ERROR, ERROR -> LogLevel.WARN;
          case RECONNECT -> LogLevel.DEBUG;
          case COMPLETE -> LogLevel.INFO;
        };
    String message =
        switch (end.kind()) {
          case CONNECTION_ERROR -> "XDS client connection error";
          case ERROR -> "XDS client error";
          case RECONNECT -> "XDS client reconnects";
          case COMPLETE -> "XDS client complete";
        };
    problem = end.detail().isEmpty() ? message : message + ": " + end.detail();
    LOG.at(level, span(stream), message)
        .string("error", end.detail())
        .number("retry_ms", pause.toMillis())
        .log();
  }

  @Override
  public void onWarm() {
    onWarm.run();
  }
}
