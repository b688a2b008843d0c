package io.ztunnel;

import io.ztunnel.metrics.MeshRegistry;
import io.ztunnel.metrics.MetricsPage;
import java.io.IOException;

/** The metrics as a scrape gets them. Stateless. */
public final class MetricsText {
  private MetricsText() {}

  /** The whole page. */
  public static String of(MeshRegistry registry) throws IOException {
    var out = new StringBuilder();
    MetricsPage page = registry.page();
    boolean more = true;
    while (more) {
      more = page.writeNext(out);
    }
    return out.toString();
  }
}
