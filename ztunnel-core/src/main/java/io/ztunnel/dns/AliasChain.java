package io.ztunnel.dns;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The part of an answer that belongs to the question: from the name asked for along its aliases to
 * the records at their end. What else a server added is not taken over. Immutable.
 *
 * @param records in the order of the answer
 * @param end the last name that the aliases lead to
 * @param found whether what was asked for is there
 */
record AliasChain(List<ResourceRecord> records, DomainName end, boolean found) {
  /**
   * More are not followed within one answer: each is looked for among all records, on an event
   * loop.
   */
  static final int MAX_ALIASES = 16;

  AliasChain {
    records = List.copyOf(records);
  }

  static AliasChain of(Question question, List<ResourceRecord> answers) {
    List<DomainName> owners = answers.stream().map(record -> record.name().lowerCase()).toList();
    Set<DomainName> names = new HashSet<>();
    DomainName end = question.name().lowerCase();
    DomainName next = end;
    while (next != null && names.size() <= MAX_ALIASES && names.add(next)) {
      end = next;
      next = isAliasItself(question.type()) ? null : target(end, owners, answers);
    }
    boolean isCut = next != null && !names.contains(next);
    List<ResourceRecord> records = new ArrayList<>();
    boolean found = false;
    for (int i = 0; i < answers.size(); i++) {
      ResourceRecord record = answers.get(i);
      DomainName owner = owners.get(i);
      if (names.contains(owner) && !(isCut && owner.equals(end))) { // that is asked for again
        records.add(record);
        found |= owner.equals(end) && matches(question.type(), record.type());
      }
    }
    return new AliasChain(records, end, found);
  }

  private static boolean isAliasItself(int type) {
    return type == RecordType.CNAME || type == RecordType.ANY;
  }

  private static boolean matches(int asked, int type) {
    return asked == RecordType.ANY || asked == type;
  }

  private static @Nullable DomainName target(
      DomainName name, List<DomainName> owners, List<ResourceRecord> answers) {
    for (int i = 0; i < owners.size(); i++) {
      if (answers.get(i).type() == RecordType.CNAME && owners.get(i).equals(name)) {
        return answers.get(i).target().lowerCase();
      }
    }
    return null;
  }

  /** True if the server stopped at an alias. */
  boolean isOpen() {
    return !found && !records.isEmpty() && records.stream().anyMatch(this::leadsToEnd);
  }

  private boolean leadsToEnd(ResourceRecord record) {
    return record.type() == RecordType.CNAME && record.target().lowerCase().equals(end);
  }
}
