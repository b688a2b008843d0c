package io.ztunnel.telemetry;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.XdsMetrics;
import io.ztunnel.xds.StreamEnd;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class XdsTelemetryTest {
  private final MeshRegistry registry = new MeshRegistry();
  private final XdsTelemetry telemetry = new XdsTelemetry(new XdsMetrics(registry), () -> {});

  @AfterEach
  void close() {
    registry.close();
  }

  @Test
  void tellsWhatIsWrongWithTheStreamUntilItStands() {
    assertEquals("no answer yet", telemetry.problem());
    telemetry.onEnded(
        1, new StreamEnd(StreamEnd.Kind.CONNECTION_ERROR, "refused"), Duration.ofSeconds(1));
    assertEquals("XDS client connection error: refused", telemetry.problem());
    telemetry.onEstablished(2);
    assertEquals("", telemetry.problem());
    telemetry.onEnded(2, new StreamEnd(StreamEnd.Kind.COMPLETE, ""), Duration.ZERO);
    assertEquals("XDS client complete", telemetry.problem());
  }
}
