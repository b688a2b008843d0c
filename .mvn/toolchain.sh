# shellcheck shell=bash disable=SC2034  # the variables are for whoever sources this
# Finds the JDK 25 and the Maven of this build. Sourced by ./ztunnel and ./mvnw; sets variables, runs nothing else.
# Each function returns 1 and leaves one line in $problem when there is nothing to be found.

problem=""

# True if the directory holds a JDK of the wanted version; its `release` file is read, because starting java is slow.
is_jdk_25() {
  [[ -x $1/bin/java && -x $1/bin/javac && -r $1/release ]] && grep -qE '^JAVA_VERSION="25(\.|")' "$1/release"
}

# Sets and exports JAVA_HOME: the one that is set already, the one of `javac` on the path, or an installed one.
find_jdk() {
  local candidate on_path
  on_path=$(readlink -f "$(command -v javac || true)" || true)
  for candidate in "${JAVA_HOME:-}" "${on_path%/bin/javac}" /usr/lib/jvm/*25*; do
    if [[ -n $candidate ]] && is_jdk_25 "$candidate"; then
      export JAVA_HOME=$candidate
      return 0
    fi
  done
  problem="no JDK 25: not in JAVA_HOME (${JAVA_HOME:-unset}), on PATH or in /usr/lib/jvm; install one (Debian: openjdk-25-jdk or temurin-25-jdk) and set JAVA_HOME"
  return 1
}

# True if the program prints a Maven version of 3.8.7 or later.
is_new_maven() {
  local text oldest
  text=$("$1" -v 2>/dev/null) || return 1
  [[ $text =~ Apache\ Maven\ ([0-9]+(\.[0-9]+)+) ]] || return 1
  oldest=$(printf '%s\n' 3.8.7 "${BASH_REMATCH[1]}" | sort -V)
  [[ ${oldest%%$'\n'*} == 3.8.7 ]]
}

# Sets maven to the path of a usable mvn.
find_maven() {
  local candidate
  for candidate in "${MAVEN_HOME:+$MAVEN_HOME/bin/mvn}" "$(command -v mvn || true)"; do
    if [[ -n $candidate && -x $candidate ]] && is_new_maven "$candidate"; then
      maven=$candidate
      return 0
    fi
  done
  problem="no Maven 3.8.7 or later: not in MAVEN_HOME (${MAVEN_HOME:-unset}) or on PATH; install it (Debian: apt-get install maven)"
  return 1
}
