package io.ztunnel.dns;

import io.netty.channel.EventLoop;
import io.netty.util.concurrent.Future;
import io.netty.util.concurrent.Promise;
import io.netty.util.concurrent.ScheduledFuture;
import io.ztunnel.mesh.NamespacedHostname;
import io.ztunnel.mesh.Service;
import io.ztunnel.mesh.Workload;
import io.ztunnel.metrics.DnsMetrics;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Answers the questions of one workload: from the mesh, or else from the name servers. Confined to
 * its event loop.
 */
final class NameService {
  /** Questions that may wait for something at one time; more are refused. */
  static final int MAX_QUESTIONS = 1024;

  private static final long DEMAND_SECONDS = 2;

  /** What one workload may have asked of the control plane by its questions at one time. */
  static final int MAX_DEMANDED = 500;

  private final EventLoop loop;
  private final DnsContext context;
  private final LocalClient client;
  private final DnsAnswers answers;
  private final Forwarder forwarder;
  private int inFlight;

  /** Services that the control plane was asked for and has not answered. */
  private int demanded;

  NameService(
      EventLoop loop,
      DnsContext context,
      LocalClient client,
      LookupSettings settings,
      Forwarder forwarder) {
    this.loop = loop;
    this.context = context;
    this.client = client;
    this.answers = new DnsAnswers(settings, ThreadLocalRandom::current);
    this.forwarder = forwarder;
  }

  /** How many questions have no answer yet. */
  int inFlight() {
    return inFlight;
  }

  void close() {
    forwarder.close();
  }

  /**
   * The answer; never fails.
   *
   * @param limitBytes how long the message with the answer can be
   */
  Future<Reply> ask(Question asked, DnsProtocol protocol, int limitBytes) {
    assert loop.inEventLoop();
    Promise<Reply> reply = loop.newPromise();
    if (inFlight >= MAX_QUESTIONS) {
      return reply.setSuccess(new Reply.Failed(ResponseCode.SERVER_FAILURE));
    }
    inFlight++;
    reply.addListener(_ -> inFlight--);
    Question question = asked.normal();
    client
        .await(loop)
        .addListener(
            (Future<Workload> known) -> {
              if (known.isSuccess()) {
                new Inquiry(known.getNow(), question, protocol, limitBytes, reply).start();
              } else {
                context.metrics().request(labels(question, protocol, "", ""));
                DnsLog.unknownClient(question, known.cause());
                reply.setSuccess(new Reply.Failed(ResponseCode.SERVER_FAILURE));
              }
            });
    return reply;
  }

  private static DnsMetrics.Labels labels(
      Question question, DnsProtocol protocol, String service, String revision) {
    return new DnsMetrics.Labels(
        RecordType.label(question.type()), protocol.label(), service, revision);
  }

  /** One question of a workload that is known. Confined to the loop. */
  private final class Inquiry {
    private final Workload workload;
    private final Question question;
    private final int limitBytes;
    private final Promise<Reply> reply;
    private final DnsMetrics.Labels labels;

    Inquiry(
        Workload workload,
        Question question,
        DnsProtocol protocol,
        int limitBytes,
        Promise<Reply> reply) {
      this.workload = workload;
      this.question = question;
      this.limitBytes = limitBytes;
      this.reply = reply;
      this.labels =
          labels(question, protocol, workload.canonicalName(), workload.canonicalRevision());
    }

    void start() {
      context.metrics().request(labels);
      DnsAnswers.Decision decision = decide();
      ServiceDemand control = context.demand();
      if (control == null) {
        act(decision);
        return;
      }
      Service known = decision.service();
      if (known != null) {
        control.touch(known.key());
      }
      List<NamespacedHostname> unknown = answers.unknown(workload, question, decision);
      if (unknown.isEmpty() || demanded + unknown.size() > MAX_DEMANDED) {
        act(decision);
      } else {
        demand(control, unknown);
      }
    }

    private DnsAnswers.Decision decide() {
      return answers.decide(context.mesh().view(), workload, question, limitBytes);
    }

    private void demand(ServiceDemand control, List<NamespacedHostname> unknown) {
      Promise<Void> waited = loop.newPromise();
      ScheduledFuture<?> timer =
          loop.schedule(() -> waited.trySuccess(null), DEMAND_SECONDS, TimeUnit.SECONDS);
      demanded += unknown.size();
      control
          .demand(loop, unknown)
          .addListener(
              _ -> {
                demanded -= unknown.size(); // which may be after the question was given up
                waited.trySuccess(null);
              });
      waited.addListener(
          _ -> {
            timer.cancel(false);
            act(decide());
          });
    }

    private void act(DnsAnswers.Decision decision) {
      switch (decision) {
        case DnsAnswers.Decision.Forward _ -> forward();
        case DnsAnswers.Decision.Unsupported _ ->
            finish(nothing(), "service does not support this record type", 0);
        case DnsAnswers.Decision.Empty _ -> finish(nothing(), "no records", 0);
        case DnsAnswers.Decision.Addresses found ->
            finish(DnsAnswers.reply(question, found), "success", found.addresses().size());
      }
    }

    /** The name exists, so it is not said that it does not; there is just nothing to tell. */
    private static Reply nothing() {
      return new Reply.Found(Reply.Source.MESH, List.of(), List.of());
    }

    private void forward() {
      context.metrics().upstreamRequest(labels);
      long began = context.nanoClock().getAsLong();
      forwarder
          .forward(question)
          .addListener((Future<ForwardedAnswer> ended) -> onForwarded(ended, began));
    }

    private void onForwarded(Future<ForwardedAnswer> ended, long began) {
      assert loop.inEventLoop();
      context.metrics().upstreamDuration(labels, (context.nanoClock().getAsLong() - began) / 1e9);
      if (!ended.isSuccess()) {
        context.metrics().upstreamFailure(labels);
        finish(
            new Reply.Failed(ResponseCode.SERVER_FAILURE),
            "forwarding failed (" + ended.cause().getMessage() + ")",
            0);
        return;
      }
      int code = ended.getNow().code();
      if (code != ResponseCode.NO_ERROR && code != ResponseCode.NAME_ERROR) {
        context.metrics().upstreamFailure(labels);
      }
      finish(
          ended.getNow().reply(),
          code == ResponseCode.NO_ERROR
              ? "forwarded"
              : "forwarding failed (" + ResponseCode.name(code) + ")",
          ended.getNow().answers().size());
    }

    private void finish(Reply result, String description, int endpoints) {
      if (DnsLog.logsQuestions()) {
        DnsLog.answered(workload, question, description, endpoints);
      }
      reply.setSuccess(result);
    }
  }
}
