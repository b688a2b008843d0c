package io.ztunnel.telemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.util.NetUtil;
import io.ztunnel.hbone.HboneObserver.Role;
import io.ztunnel.log.LogCapture;
import io.ztunnel.mesh.TestMesh;
import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.RemoteGatewayMetrics;
import io.ztunnel.metrics.TunnelMetrics;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TunnelTelemetryTest {
  private final MeshRegistry registry = new MeshRegistry();
  private final TunnelTelemetry telemetry =
      new TunnelTelemetry(
          new TunnelMetrics(registry),
          new RemoteGatewayMetrics(registry, System::nanoTime, NetUtil::toSocketAddressString));

  @AfterEach
  void close() {
    registry.close();
  }

  @Test
  void aServerThatAnswersNoPingIsAWarningAndAClientThatDoesNotIsNone() {
    try (LogCapture log = LogCapture.plain("debug")) {
      telemetry.onPingTimeout(Role.CLIENT, TestMesh.socket("10.0.0.7:15008"));
      telemetry.onPingTimeout(Role.SERVER, TestMesh.socket("[fd00::7]:4321"));
      assertEquals(
          List.of(
              "warn\tproxy::h2\tHBONE ping timeout/error\trole=client peer=10.0.0.7:15008\n",
              "debug\tproxy::h2\tHBONE ping timeout/error\trole=server peer=[fd00::7]:4321\n"),
          log.withoutTime());
    }
  }
}
