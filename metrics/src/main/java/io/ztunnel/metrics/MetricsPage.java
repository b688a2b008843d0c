package io.ztunnel.metrics;

import io.ztunnel.metrics.FamilySeries.Piece;
import java.io.IOException;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;

/**
 * The page of one scrape in OpenMetrics text form, made in pieces, so that one of many megabytes is
 * never held whole. Series that come or go meanwhile may or may not be on it. Confined to the
 * thread that writes it.
 */
public final class MetricsPage {
  private final Iterator<FamilySeries> families;
  private Iterator<Piece> pieces = Collections.emptyIterator();
  private boolean ended;

  MetricsPage(List<FamilySeries> families) {
    this.families = families.iterator();
  }

  /** Appends the head of a family, one of its series or the end; whether there is more. */
  public boolean writeNext(Appendable out) throws IOException {
    while (!pieces.hasNext() && families.hasNext()) {
      pieces = families.next().pieces();
    }
    if (pieces.hasNext()) {
      pieces.next().writeTo(out);
      return true;
    }
    if (!ended) {
      ended = true;
      out.append("# EOF\n");
    }
    return false;
  }
}
