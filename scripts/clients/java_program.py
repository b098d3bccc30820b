"""The Java programs beside the Python ones: built once, into .cache, against Kafka's jars."""

import hashlib
import subprocess
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBS = ROOT / ".cache" / "kafka-4.3.0" / "libs"
# They live for seconds: start-up is what counts.
OPTIONS = ["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable", "-Xlog:all=error:stderr"]
OPTIONS += [f"-Dlog4j2.configurationFile={ROOT / 'scripts' / 'clients' / 'log4j2.properties'}"]
BUILD_SECONDS_MAX = 120


def command(name, *sample):
    """What runs scripts/clients/java/NAME.java. `sample` are arguments with which it prints a line and then ends once its stdin
    does: the classes that it loads then are kept parsed for later starts, which halves their cost."""
    source = Path(__file__).parent / "java" / f"{name}.java"
    built = ROOT / ".cache" / "java" / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    jar, archive = built.with_suffix(".jar"), built.with_suffix(".jsa")
    if not jar.exists():
        build(source, jar)
    run = ["java", *OPTIONS, "-cp", f"{jar}:{LIBS}/*"]
    if sample and not archive.exists():
        keep = [*run[:-2], f"-XX:ArchiveClassesAtExit={archive}", *run[-2:], name, *sample]
        with subprocess.Popen(keep, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            process.stdout.readline()
            process.communicate(b"stop\n", timeout=BUILD_SECONDS_MAX)
    # Without the archive, or with one of another Java, it starts too.
    return [*run[:-2], f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", *run[-2:], name]


def build(source, jar):
    jar.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jar.parent) as classes:
        compile_ = ["javac", "-nowarn", "-d", classes, "-cp", f"{LIBS}/*", str(source)]
        done = subprocess.run(compile_, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=BUILD_SECONDS_MAX)
        if done.returncode != 0:
            raise RuntimeError(f"{source.name} does not compile: {done.stderr[-600:]}")
        made = Path(classes) / "made.jar"
        with zipfile.ZipFile(made, "w") as out:
            for found in Path(classes).glob("*.class"):
                out.write(found, found.name)
        made.rename(jar)
