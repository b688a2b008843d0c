package io.ztunnel.proxy;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.proxy.Admission.Level;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AdmissionTest {
  @ParameterizedTest(name = "{0}: {1} of {2}")
  @CsvSource({
    "EVERYBODY, 1600, 1600, false",
    "MODEST, 1600, 1600, true",
    "MODEST, 129, 1600, true",
    "MODEST, 128, 1600, false",
    "MODEST, 128, 128, false",
    "MODEST, 401, 6400, true",
    "MODEST, 400, 6400, false",
    "NOBODY, 0, 0, true"
  })
  void whoIsRefused(Level level, int connections, int ofAll, boolean refused) {
    Drains drains = new Drains(new MeshRegistry());
    Admission admission = new Admission(drains);
    for (int i = 0; i < ofAll / 2; i++) {
      drains.onOpened();
      admission.onSessionOpened();
    }
    admission.set(level);
    assertEquals(refused, admission.refuses(connections));
  }
}
