package io.ztunnel.admin;

import io.netty.buffer.ByteBuf;
import io.ztunnel.metrics.MetricsPage;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** The page of a scrape, compressed while it is made. Confined to the thread that writes. */
final class MetricsPieces implements Body.Pieces {
  private final MetricsPage page;
  private final ContentCoding coding;
  private final Runnable onClosed;
  private final PieceOutput target = new PieceOutput();
  private @Nullable Writer writer;
  private boolean closed;

  /**
   * A body.
   *
   * @param onClosed is told once that it is over, sent or not
   */
  MetricsPieces(MetricsPage page, ContentCoding coding, Runnable onClosed) {
    this.page = page;
    this.coding = coding;
    this.onClosed = onClosed;
  }

  @Override
  public boolean writeNext(ByteBuf out) throws IOException {
    target.turnTo(out);
    Writer text = writer;
    if (text == null) {
      text =
          new BufferedWriter(new OutputStreamWriter(coding.encode(target), StandardCharsets.UTF_8));
      writer = text;
    }
    while (out.readableBytes() < Body.PIECE_BYTES) {
      if (!page.writeNext(text)) {
        text.close();
        return false;
      }
    }
    return true;
  }

  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    onClosed.run();
    target.close();
    Writer text = writer;
    if (text != null) {
      text.close(); // the compressor holds memory that no collection frees
    }
  }
}
