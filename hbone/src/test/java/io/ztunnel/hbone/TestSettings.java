package io.ztunnel.hbone;

import java.time.Duration;

/** Istio's defaults with a few numbers changed. */
final class TestSettings {
  private static final HboneSettings DEFAULTS = HboneSettings.defaults();

  private TestSettings() {}

  static HboneSettings frameSize(int bytes) {
    return settings(
        bytes,
        DEFAULTS.maxStreamsPerConnection(),
        DEFAULTS.idleRelease(),
        DEFAULTS.handshakeTimeout(),
        DEFAULTS.connectTimeout(),
        DEFAULTS.heldBytes());
  }

  static HboneSettings heldBytes(long limit) {
    return settings(
        DEFAULTS.frameSizeBytes(),
        DEFAULTS.maxStreamsPerConnection(),
        DEFAULTS.idleRelease(),
        DEFAULTS.handshakeTimeout(),
        DEFAULTS.connectTimeout(),
        new HeldBytes(limit));
  }

  static HboneSettings handshakeTimeout(Duration timeout) {
    return settings(
        DEFAULTS.frameSizeBytes(),
        DEFAULTS.maxStreamsPerConnection(),
        DEFAULTS.idleRelease(),
        timeout,
        DEFAULTS.connectTimeout(),
        DEFAULTS.heldBytes());
  }

  static HboneSettings pool(int maxStreams, Duration idle, Duration answer) {
    return settings(
        DEFAULTS.frameSizeBytes(),
        maxStreams,
        idle,
        Duration.ofSeconds(2),
        answer,
        DEFAULTS.heldBytes());
  }

  private static HboneSettings settings(
      int frameSize,
      int maxStreams,
      Duration idle,
      Duration handshake,
      Duration answer,
      HeldBytes held) {
    return new HboneSettings(
        DEFAULTS.streamWindowBytes(),
        DEFAULTS.connectionWindowBytes(),
        frameSize,
        maxStreams,
        idle,
        handshake,
        answer,
        DEFAULTS.pingInterval(),
        DEFAULTS.pingTimeout(),
        held,
        HboneSettings.Nested.defaults());
  }

  /** With these connections kept in outer tunnels. */
  static HboneSettings nested(HboneSettings base, int connections, Duration refresh) {
    return nested(
        base,
        new HboneSettings.Nested(
            connections, refresh, new InnerLimit(HboneSettings.Nested.DEFAULT_LIMIT)));
  }

  static HboneSettings nested(HboneSettings base, HboneSettings.Nested nested) {
    return new HboneSettings(
        base.streamWindowBytes(),
        base.connectionWindowBytes(),
        base.frameSizeBytes(),
        base.maxStreamsPerConnection(),
        base.idleRelease(),
        base.handshakeTimeout(),
        base.connectTimeout(),
        base.pingInterval(),
        base.pingTimeout(),
        base.heldBytes(),
        nested);
  }
}
