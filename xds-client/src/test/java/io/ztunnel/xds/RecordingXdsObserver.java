package io.ztunnel.xds;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;

/** Keeps what it is told. Any thread reads. */
final class RecordingXdsObserver implements XdsObserver {
  record Ended(StreamEnd end, Duration pause) {}

  final List<Ended> ends = new CopyOnWriteArrayList<>();
  final List<Rejection> rejections = new CopyOnWriteArrayList<>();
  final List<String> types = new CopyOnWriteArrayList<>();
  final List<String> unknownTypes = new CopyOnWriteArrayList<>();
  final List<Integer> echoed = new CopyOnWriteArrayList<>();
  final List<Integer> swept = new CopyOnWriteArrayList<>();
  final AtomicInteger established = new AtomicInteger();
  final AtomicLong payloadBytes = new AtomicLong();
  final AtomicInteger warmings = new AtomicInteger();
  final CountDownLatch warm = new CountDownLatch(1);

  @Override
  public void onEstablished(long stream) {
    established.incrementAndGet();
  }

  @Override
  public void onResponse(long stream, String typeUrl, int resources, int removed, long bytes) {
    types.add(typeUrl);
    payloadBytes.addAndGet(bytes);
  }

  @Override
  public void onUnknownType(long stream, String typeUrl) {
    unknownTypes.add(typeUrl);
  }

  @Override
  public void onRejected(long stream, String typeUrl, List<Rejection> rejected) {
    rejections.addAll(rejected);
  }

  @Override
  public void onPartialEcho(long stream, String typeUrl, int said, int held) {
    echoed.add(said);
  }

  @Override
  public void onSwept(long stream, String typeUrl, int removed) {
    swept.add(removed);
  }

  @Override
  public void onEnded(long stream, StreamEnd end, Duration pause) {
    ends.add(new Ended(end, pause));
  }

  @Override
  public void onWarm() {
    warmings.incrementAndGet();
    warm.countDown();
  }
}
