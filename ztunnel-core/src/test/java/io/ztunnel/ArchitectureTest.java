package io.ztunnel;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.fields;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import io.ztunnel.hbone.HboneFailure;
import io.ztunnel.telemetry.ConnectionFailure;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

/** The picture in ARCHITECTURE.md, as rules. */
class ArchitectureTest {
  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .withImportOption(location -> !location.contains("-tests.jar"))
          .importPackages("io.ztunnel");

  /** Generated code keeps its own house. */
  private static final String[] GENERATED = {
    "io.ztunnel.redirection.proto..", "io.ztunnel.xds.proto..", "io.ztunnel.identity.proto.."
  };

  @Test
  void leavesKnowNeitherEachOtherNorTheCore() {
    layeredArchitecture()
        .consideringOnlyDependenciesInLayers()
        .layer("hbone")
        .definedBy("io.ztunnel.hbone..")
        .layer("redirection")
        .definedBy("io.ztunnel.redirection..")
        .layer("xds-client")
        .definedBy("io.ztunnel.xds..")
        .layer("metrics")
        .definedBy("io.ztunnel.metrics..")
        .layer("core")
        .definedBy(
            "io.ztunnel.app..",
            "io.ztunnel.admin..",
            "io.ztunnel.explain..",
            "io.ztunnel.profile..",
            "io.ztunnel.proxy..",
            "io.ztunnel.dns..",
            "io.ztunnel.identity..",
            "io.ztunnel.telemetry..",
            "io.ztunnel.routing..",
            "io.ztunnel.policy..",
            "io.ztunnel.mesh..",
            "io.ztunnel.log..")
        .whereLayer("hbone")
        .mayOnlyBeAccessedByLayers("core")
        .whereLayer("redirection")
        .mayOnlyBeAccessedByLayers("core")
        .whereLayer("xds-client")
        .mayOnlyBeAccessedByLayers("core")
        .whereLayer("metrics")
        .mayOnlyBeAccessedByLayers("core")
        .whereLayer("core")
        .mayNotBeAccessedByAnyLayer()
        .check(CLASSES);
  }

  @Test
  void packagesOfTheCoreUseOnlyThoseBelowThem() {
    List<String> downwards =
        List.of(
            "app",
            "admin",
            "explain",
            "profile",
            "proxy",
            "dns",
            "identity",
            "telemetry",
            "routing",
            "policy",
            "mesh",
            "log");
    for (int i = 1; i < downwards.size(); i++) {
      String[] above =
          downwards.subList(0, i).stream()
              .map(name -> "io.ztunnel." + name + "..")
              .toArray(String[]::new);
      noClasses()
          .that()
          .resideInAPackage("io.ztunnel." + downwards.get(i) + "..")
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(above)
          .check(CLASSES);
    }
  }

  @Test
  void packagesAreFreeOfCycles() {
    slices().matching("io.ztunnel.(*)").should().beFreeOfCycles().check(CLASSES);
  }

  @Test
  void noStaticFieldChanges() {
    fields()
        .that()
        .areStatic()
        .and()
        .areDeclaredInClassesThat()
        .resideOutsideOfPackages(GENERATED)
        .and()
        .doNotHaveModifier(JavaModifier.SYNTHETIC)
        .should()
        .beFinal()
        .check(CLASSES);
  }

  @Test
  void noClassIsADumpingGround() {
    noClasses()
        .that()
        .resideOutsideOfPackages(GENERATED)
        .should()
        .haveSimpleNameEndingWith("Util")
        .orShould()
        .haveSimpleNameEndingWith("Utils")
        .orShould()
        .haveSimpleNameEndingWith("Helper")
        .orShould()
        .haveSimpleNameEndingWith("Impl")
        .orShould()
        .haveSimpleNameEndingWith("Common")
        .check(CLASSES);
  }

  @Test
  void nothingOnTheDataPathWaits() {
    noClasses()
        .that()
        .resideInAnyPackage(
            "io.ztunnel.hbone..",
            "io.ztunnel.routing..",
            "io.ztunnel.policy..",
            "io.ztunnel.proxy..",
            "io.ztunnel.dns..")
        .should()
        .callMethod(Thread.class, "sleep", long.class)
        .orShould()
        .callMethod(Future.class, "get")
        .orShould()
        .dependOnClassesThat()
        .areAssignableTo(CompletableFuture.class)
        .check(CLASSES);
  }

  @Test
  void onlyTheCompositionRootReadsClocksAndTheEnvironment() {
    noClasses()
        .that()
        .resideOutsideOfPackages(
            Stream.concat(Stream.of("io.ztunnel.app.."), Stream.of(GENERATED))
                .toArray(String[]::new))
        .should()
        .callMethod(System.class, "nanoTime")
        .orShould()
        .callMethod(System.class, "currentTimeMillis")
        .orShould()
        .callMethod(System.class, "getenv")
        .orShould()
        .callMethod(System.class, "getenv", String.class)
        .check(CLASSES);
  }

  /**
   * Targets are those of the reference; one with dots counts as a library's, heard from warn on.
   */
  @Test
  void logTargetsAreNotNamesOfClasses() {
    noClasses().should().callMethod(LoggerFactory.class, "getLogger", Class.class).check(CLASSES);
  }

  @Test
  void onlyLibcTalksToTheSystemDirectly() {
    noClasses()
        .that()
        .haveNameNotMatching("io\\.ztunnel\\.redirection\\.Libc(Function)?(\\$.*)?")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("java.lang.foreign..")
        .check(CLASSES);
  }

  @Test
  void mutableStateOfTheDataPathIsNotGuardedByLocks() {
    classes()
        .that()
        .resideInAnyPackage("io.ztunnel.hbone..", "io.ztunnel.proxy..", "io.ztunnel.dns..")
        .should()
        .onlyDependOnClassesThat()
        .resideOutsideOfPackage("java.util.concurrent.locks..")
        .check(CLASSES);
  }

  @Test
  void everyFailureOfTheListsIsMadeSomewhere() {
    for (Class<?> list : List.of(ConnectionFailure.class, HboneFailure.class)) {
      List<JavaClass> failures =
          CLASSES.stream().filter(type -> type.isAssignableTo(list) && type.isRecord()).toList();
      assertTrue(failures.size() > 10, () -> list + ": " + failures);
      List<JavaClass> never =
          failures.stream()
              .filter(
                  type ->
                      type.getConstructors().stream()
                          .allMatch(constructor -> constructor.getAccessesToSelf().isEmpty()))
              .toList();
      assertEquals(List.of(), never);
    }
  }
}
