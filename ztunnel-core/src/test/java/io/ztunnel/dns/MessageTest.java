package io.ztunnel.dns;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.net.InetAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class MessageTest {
  private static final String HEAD = "1234 0100 0001 0000 0000 0000 ";
  private static final String WEB_A = "03576562 02696f 00 0001 0001 "; // Web.io, A, IN
  private static final String OPT = "00 0029 04d0 00008000 0000 ";

  private static byte[] bytes(String hex) {
    return HexFormat.of().parseHex(hex.replace(" ", ""));
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }

  private static DomainName name(String text) {
    return Objects.requireNonNull(DomainName.parse(text));
  }

  private static Query query(String hex) {
    return assertInstanceOf(IncomingMessage.Asked.class, IncomingMessage.read(bytes(hex))).query();
  }

  private static ResourceRecord address(String owner, String ip) {
    return ResourceRecord.address(name(owner), InetAddress.ofLiteral(ip), 30);
  }

  private static Reply found(Reply.Source source, ResourceRecord... answers) {
    return new Reply.Found(source, List.of(answers), List.of());
  }

  @Test
  void aQuestionIsReadInItsOwnCase() {
    Query query = query(HEAD + WEB_A);
    assertEquals("Web.io.", query.question().name().toString());
    assertEquals("web.io.", query.question().normal().name().toString());
    assertEquals(RecordType.A, query.question().type());
    assertNull(query.edns());
    assertTrue(query.head().recursionDesired());
  }

  @Test
  void whatTheClientTakesIsRead() {
    assertEquals(
        new Edns(1232, 0, true), query("1234 0100 0001 0000 0000 0001 " + WEB_A + OPT).edns());
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
                                                              | nothing
          1234 0100 0001 0000 0000 00                         | less than a header
          1234 8100 0001 0000 0000 0000 03576562 00 0001 0001 | an answer
          """)
  void whatCannotBeAnsweredIsIgnored(String hex, String why) {
    assertInstanceOf(
        IncomingMessage.Ignored.class, IncomingMessage.read(bytes(hex == null ? "" : hex)), why);
  }

  @ParameterizedTest(name = "{2}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          1234 0110 0001 0000 0000 0000                               | 1234 8111 0000 0000 0000 0000                       | the question is missing
          1234 0100 0001 0000 0000 0000 0357 65                       | 1234 8101 0000 0000 0000 0000                       | the name is cut
          1234 0100 0001 0000 0000 0000 c00c 0001 0001                | 1234 8101 0000 0000 0000 0000                       | the name points to itself
          1234 0100 0001 0000 0000 0000 c000 0001 0001                | 1234 8101 0000 0000 0000 0000                       | the name points to the header
          1234 0100 0001 0000 0000 0000 8041 00 0001 0001             | 1234 8101 0000 0000 0000 0000                       | a label of an unknown type
          1234 0100 0001 0000 0000 0001 00 0001 0001 00 0029          | 1234 8101 0000 0000 0000 0000                       | a record is cut
          1234 0100 0001 0000 0000 0002 00 0001 0001 00 0029 0200 00000000 0000 00 0029 0200 00000000 0000 | 1234 8101 0000 0000 0000 0000 | two OPT records
          1234 2000 0001 0000 0000 0000 0161 00 0006 0001             | 1234 a004 0001 0000 0000 0000 0161 00 0006 0001     | NOTIFY
          1234 0000 0000 0000 0000 0000                               | 1234 8002 0000 0000 0000 0000                       | no question
          1234 0000 0002 0000 0000 0000 00 0001 0001 00 0001 0001     | 1234 8002 0000 0000 0000 0000                       | two questions
          1234 0000 0002 0000 0000 0000 c00c                          | 1234 8002 0000 0000 0000 0000                       | two questions, which are not read
          1234 2000 2aa7 ffff ffff ffff                               | 1234 a004 0000 0000 0000 0000                       | NOTIFY of many questions, which are not read
          """)
  void whatIsNoProperQuestionIsAnsweredByAnError(String hex, String answer, String why) {
    IncomingMessage.Refused refused =
        assertInstanceOf(IncomingMessage.Refused.class, IncomingMessage.read(bytes(hex)), why);
    assertEquals(answer.replace(" ", ""), hex(ReplyMessage.refusal(refused)));
  }

  /** A question, a record whose data are pointers, each to the one before, and one named by it. */
  private static byte[] pointers(int count) {
    StringBuilder hex = new StringBuilder("1234 0100 0001 0000 0000 0002 00 0001 0001 ");
    int data = 12 + 5 + 11;
    hex.append("00 0010 0001 00000000 ").append("%04x 00".formatted(1 + 2 * (count - 1)));
    for (int i = 0; i < count; i++) { // the last is the name of the next record
      hex.append("%04x".formatted(0xc000 | (i == 0 ? data : data + 1 + 2 * (i - 1))));
    }
    return bytes(hex + "0010 0001 00000000 0000");
  }

  @Test
  void aNameHasAsManyPointersAsLabelsCanNeed() {
    assertInstanceOf(IncomingMessage.Asked.class, IncomingMessage.read(pointers(127)));
    IncomingMessage.Refused refused =
        assertInstanceOf(IncomingMessage.Refused.class, IncomingMessage.read(pointers(128)));
    assertEquals(ResponseCode.FORMAT_ERROR, refused.code());
  }

  @Test
  void anAnswerRepeatsTheQuestionByteForByteAndPointsToItsName() {
    assertEquals(
        ("1234 8580 0001 0001 0000 0000 "
                + WEB_A
                + "03776562 c010 0001 0001 0000001e 0004 0a000001")
            .replace(" ", ""),
        hex(
            ReplyMessage.datagram(
                query(HEAD + WEB_A), found(Reply.Source.MESH, address("web.io", "10.0.0.1")))));
  }

  @Test
  void forwardedAnswersAreNotOurOwn() {
    assertEquals(
        "1234 8180 0001 0001 0000 0000 0161 00 0001 0001 c00c 0001 0001 0000001e 0004 0a000001"
            .replace(" ", ""),
        hex(
            ReplyMessage.datagram(
                query(HEAD + "0161 00 0001 0001"),
                found(Reply.Source.UPSTREAM, address("a", "10.0.0.1")))));
  }

  @Test
  void anErrorHasTheQuestionAndNothingElse() {
    assertEquals(
        ("1234 8113 0001 0000 0000 0000 " + WEB_A).replace(" ", ""),
        hex(
            ReplyMessage.datagram(
                query("1234 0110 0001 0000 0000 0001 " + WEB_A + OPT), new Reply.Failed(3))));
  }

  @ParameterizedTest(name = "asked {0}, told {1}")
  @CsvSource({"04d0, 04d0", "0100, 0200", "ffff, ffff"})
  void whoSaysWhatItTakesIsToldTheSame(String asked, String told) {
    String answer =
        hex(
            ReplyMessage.datagram(
                query("1234 0100 0001 0000 0000 0001 " + WEB_A + OPT.replace("04d0", asked)),
                found(Reply.Source.MESH)));
    assertEquals(
        ("1234 8580 0001 0000 0000 0001 " + WEB_A + OPT.replace("04d0", told)).replace(" ", ""),
        answer);
  }

  private static List<ResourceRecord> many(int count) {
    List<ResourceRecord> records = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      records.add(address("large.example.com", "10.0.%d.%d".formatted(i / 256, i % 256)));
    }
    return records;
  }

  private static Query largeQuery(boolean edns) {
    String name = "05 6c61726765 07 6578616d706c65 03 636f6d 00 0001 0001 ";
    return query(edns ? "1234 0100 0001 0000 0000 0001 " + name + OPT : HEAD + name);
  }

  private static int counts(byte[] message, int index) {
    return ((message[index] & 0xff) << 8) | (message[index + 1] & 0xff);
  }

  @ParameterizedTest
  @CsvSource({"true, 74, 1232", "false, 29, 512"})
  void aDatagramHasAsManyWholeAnswersAsFit(boolean edns, int answers, int limit) {
    byte[] message =
        ReplyMessage.datagram(
            largeQuery(edns), new Reply.Found(Reply.Source.MESH, many(256), many(1)));
    assertEquals(answers, counts(message, 6));
    assertEquals(edns ? 1 : 0, counts(message, 10));
    assertEquals(0x0200, counts(message, 2) & 0x0200, "not marked as truncated");
    assertTrue(message.length <= limit, () -> message.length + " bytes");
  }

  @Test
  void aConnectionTakesAllAnswers() throws Exception {
    byte[] message =
        ReplyMessage.stream(
            largeQuery(true), new Reply.Found(Reply.Source.MESH, many(256), List.of()));
    assertEquals(256, counts(message, 6));
    assertEquals(0, counts(message, 2) & 0x0200);
    UpstreamMessage read =
        UpstreamMessage.read(message, 0x1234, largeQuery(true).question().normal());
    assertEquals(many(256), read.answers());
  }

  @Test
  void additionalRecordsThatDoNotFitAreLeftOutUntold() {
    byte[] message =
        ReplyMessage.datagram(
            largeQuery(false), new Reply.Found(Reply.Source.UPSTREAM, many(28), many(5)));
    assertEquals(28, counts(message, 6));
    assertEquals(1, counts(message, 10));
    assertEquals(0, counts(message, 2) & 0x0200);
  }

  @Test
  void recordsWhoseDataPointIntoTheirMessageAreReadWhole() throws Exception {
    // www.a.io: CNAME b.a.io; a.io: MX 10 b.a.io, SOA b.a.io c.a.io; all compressed
    String message =
        "0007 8180 0001 0002 0001 0000 "
            + "03777777 0161 02696f 00 0001 0001 "
            + "c00c 0005 0001 0000003c 0004 0162 c010 "
            + "c010 000f 0001 0000003c 0004 000a c026 "
            + "c010 0006 0001 0000003c 001a c026 0163 c010 00000001 00000002 00000003 00000004 00000005 ";
    UpstreamMessage read =
        UpstreamMessage.read(
            bytes(message), 7, new Question(name("www.a.io"), RecordType.A, Question.IN));
    assertEquals("b.a.io.", read.answers().get(0).target().toString());
    byte[] mx = new byte[read.answers().get(1).dataLength()];
    read.answers().get(1).copyDataTo(mx, 0);
    assertEquals("000a" + "0162" + "0161" + "02696f" + "00", hex(mx));
    assertEquals(5, Objects.requireNonNull(read.startOfAuthority()).negativeTtlSeconds());
  }

  @ParameterizedTest(name = "{1}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          0008 8180 0001 0000 0000 0000 0161 00 0001 0001 | another id
          0007 0180 0001 0000 0000 0000 0161 00 0001 0001 | a question
          0007 a180 0001 0000 0000 0000 0161 00 0001 0001 | another operation
          0007 8180 0001 0000 0000 0000 0162 00 0001 0001 | another name
          0007 8180 0001 0000 0000 0000 0161 00 001c 0001 | another type
          0007 8180 0001 0000 0000 0000 0161 00 0001 0003 | another class
          0007 8180 0000 0000 0000 0000                   | no question
          0007 8183 0000 0000 0000 0000                   | no question, and no such name
          0007 8180 0001 0001 0000 0000 0161 00 0001 0001 | a missing record
          0007 8180 0001 0001 0000 0000 0161 00 0001 0001 c00c 0005 0001 00000001 0003 0162 00 | (right)
          0007 8180 0001 0001 0000 0000 0161 00 0001 0001 c00c 0005 0001 00000001 0004 0162 00 00 | data longer than their name
          """)
  void whatIsNoAnswerToTheQuestionIsRefused(String hex, String why) throws Exception {
    Question question = new Question(name("a"), RecordType.A, Question.IN);
    if (why.equals("(right)")) {
      assertEquals(1, UpstreamMessage.read(bytes(hex), 7, question).answers().size());
    } else {
      assertThrows(
          MalformedMessageException.class, () -> UpstreamMessage.read(bytes(hex), 7, question));
    }
  }

  @Test
  void aServerThatCouldNotReadTheQuestionNeedNotRepeatIt() throws Exception {
    Question question = new Question(name("a"), RecordType.A, Question.IN);
    assertEquals(
        ResponseCode.FORMAT_ERROR,
        UpstreamMessage.read(bytes("0007 8181 0000 0000 0000 0000"), 7, question).code());
  }

  @Test
  void bytesOfAnyKindAreReadOrRefusedAndNothingElse() {
    long seed = new SplittableRandom().nextLong();
    SplittableRandom random = new SplittableRandom(seed);
    byte[] right = bytes("1234 0100 0001 0000 0000 0001 " + WEB_A + OPT);
    Question question = new Question(name("web.io"), RecordType.A, Question.IN);
    for (int i = 0; i < 100_000; i++) {
      byte[] message = Arrays.copyOf(right, random.nextInt(right.length + 20));
      for (int changes = random.nextInt(5); changes > 0 && message.length > 0; changes--) {
        message[random.nextInt(message.length)] = (byte) random.nextInt(256);
      }
      try {
        switch (IncomingMessage.read(message)) {
          case IncomingMessage.Asked(Query query) ->
              ReplyMessage.datagram(query, found(Reply.Source.MESH, address("web.io", "10.0.0.1")));
          case IncomingMessage.Refused refused -> ReplyMessage.refusal(refused);
          case IncomingMessage.Ignored _ -> {}
        }
        UpstreamMessage _ = UpstreamMessage.read(message, 0x1234, question);
      } catch (MalformedMessageException _) {
        // as it should be
      } catch (RuntimeException e) {
        throw new AssertionError("seed " + seed + ": " + hex(message), e);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", ".", "a", "a.b.c", "a.b.c.", "*.example.com", "_sip._tcp.example.com"})
  void namesHaveOneText(String text) {
    DomainName name = name(text);
    assertEquals(text.endsWith(".") ? text : text + ".", name.toString());
    assertEquals(name, name(name.toString()));
  }

  @Test
  void namesThatLookAlikeHaveTextsOfTheirOwn() {
    DomainName dotInLabel = DomainName.ofWire("\3a.b\0".getBytes(US_ASCII));
    assertEquals("a\\.b.", dotInLabel.toString());
    assertNotEquals(name("a.b"), dotInLabel);
    assertEquals("\\009.", DomainName.ofWire("\1\t\0".getBytes(US_ASCII)).toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"a..b", "..", ".a"})
  void textsWithEmptyLabelsAreNoNames(String text) {
    assertNull(DomainName.parse(text));
  }

  @Test
  void longNamesAreNoNames() {
    assertNull(DomainName.parse("a".repeat(64)));
    assertEquals(65, name("a".repeat(63)).length());
    assertNull(DomainName.parse("a.".repeat(128)));
    assertEquals(255, name("a.".repeat(127)).length());
  }
}
