package io.ztunnel.mesh;

import io.ztunnel.mesh.Authorization.Clause;
import io.ztunnel.mesh.Authorization.Constraint;
import io.ztunnel.mesh.Authorization.Match;
import io.ztunnel.mesh.Authorization.Rule;
import io.ztunnel.mesh.Authorization.ServiceAccountMatch;
import java.util.List;

/** Reads a policy from the local file. */
final class PolicyYaml {
  private static final String STRING_MATCH =
      "!Exact, !Prefix or !Suffix with a text, or !Presence []";

  private PolicyYaml() {}

  static Authorization policy(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields =
        value.fields("name", "namespace", "scope", "action", "dryRun", "rules");
    return new Authorization(
        fields.required("name", YamlValue::text),
        fields.required("namespace", YamlValue::text),
        fields.required("scope", it -> it.choice(Authorization.Scope.class)),
        fields.required("action", it -> it.choice(Authorization.Action.class)),
        fields.required("dryRun", YamlValue::flag),
        fields.required("rules", rules -> rules.list(PolicyYaml::rule)));
  }

  private static Rule rule(YamlValue value) throws LocalConfigException {
    return new Rule(value.list(clause -> new Clause(clause.list(PolicyYaml::match))));
  }

  /** Unknown keys are refused here above all: a constraint that is misspelt would not constrain. */
  private static Match match(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields =
        value.fields(
            "namespaces",
            "notNamespaces",
            "serviceAccounts",
            "notServiceAccounts",
            "principals",
            "notPrincipals",
            "sourceIps",
            "notSourceIps",
            "destinationIps",
            "notDestinationIps",
            "destinationPorts",
            "notDestinationPorts");
    return new Match(
        constraint(fields, "namespaces", "notNamespaces", PolicyYaml::stringMatch),
        constraint(fields, "serviceAccounts", "notServiceAccounts", PolicyYaml::serviceAccount),
        constraint(fields, "principals", "notPrincipals", PolicyYaml::stringMatch),
        constraint(fields, "sourceIps", "notSourceIps", PolicyYaml::cidr),
        constraint(fields, "destinationIps", "notDestinationIps", PolicyYaml::cidr),
        constraint(fields, "destinationPorts", "notDestinationPorts", YamlValue::port));
  }

  private static <T> Constraint<T> constraint(
      YamlValue.Fields fields, String anyOf, String noneOf, YamlValue.Reader<T> reader)
      throws LocalConfigException {
    List<T> any = fields.optional(anyOf, all -> all.list(reader), List.of());
    List<T> none = fields.optional(noneOf, all -> all.list(reader), List.of());
    return any.isEmpty() && none.isEmpty() ? Constraint.none() : new Constraint<>(any, none);
  }

  private static Cidr cidr(YamlValue value) throws LocalConfigException {
    return value.parsed(Cidr::parse, "ip/prefix length");
  }

  private static ServiceAccountMatch serviceAccount(YamlValue value) throws LocalConfigException {
    YamlValue.Fields fields = value.fields("namespace", "serviceAccount");
    return new ServiceAccountMatch(
        fields.required("namespace", YamlValue::text),
        fields.required("serviceAccount", YamlValue::text));
  }

  /** {@code !Exact v}, or {@code {Exact: v}} as dumps have it. */
  private static StringMatch stringMatch(YamlValue value) throws LocalConfigException {
    String tag = value.localTag();
    if (tag != null) {
      return stringMatch(tag.substring(1), value, value);
    }
    YamlValue.Fields fields = value.fields("Exact", "Prefix", "Suffix", "Presence");
    if (fields.values().size() != 1) {
      throw value.unexpected(STRING_MATCH);
    }
    var only = fields.values().entrySet().iterator().next();
    return stringMatch(only.getKey(), only.getValue(), value);
  }

  private static StringMatch stringMatch(String kind, YamlValue content, YamlValue whole)
      throws LocalConfigException {
    if (kind.equals("Presence") && content.isEmpty()) {
      return new StringMatch.Presence();
    }
    return switch (kind) {
      case "Exact" -> new StringMatch.Exact(content.text());
      case "Prefix" -> new StringMatch.Prefix(content.text());
      case "Suffix" -> new StringMatch.Suffix(content.text());
      default -> throw whole.unexpected(STRING_MATCH);
    };
  }
}
