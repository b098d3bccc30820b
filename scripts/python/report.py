"""The report of a comparison: Markdown tables and one self-contained HTML page, from the lines that were measured."""

import html
import json
import os
import platform
import statistics
import subprocess
import time
from pathlib import Path

import plots
from reach import MAIN, Reach

LINKS_GBITS = (10, 25, 100)
PERCENTILES = [(50, "p50"), (90, "p90"), (99, "p99"), (99.9, "p99.9"), (99.99, "p99.99")]
LIMIT_PERCENT = 95
# The README's plot.
PLOTTED = "end to end at 20000/s"


def told(line):
    """One line for whoever watches."""
    if "value" in line:
        return f"{line['scenario']} {line['value']:.3g}"
    if "figures" not in line:
        return f"{line['scenario']}: {line['error']}"
    end = main_end(line)
    rate = end["records"] / line["seconds"]
    said = f"{line['scenario']}: {rate:.0f} records/s, p99 {end['p99_us'] / 1000:.2f} ms, broker {cpu_percent(line):.0f} % CPU"
    return said + (f" ({line['error']})" if "error" in line else "")


FIGURES = {
    "us": lambda line: line["figures"]["broker"]["cpu_us_per_record"],
    "s_per_gb": lambda line: line["figures"]["broker"]["cpu_s_per_gb"],
    "mb": lambda line: main_end(line)["bytes"] / 1e6 / line["seconds"],
    "p99": lambda line: main_end(line)["p99_us"] / 1000,
    "p999": lambda line: main_end(line)["p999_us"] / 1000,
    "syncs": lambda line: line.get("syncs_per_second"),
    "value": lambda line: line["value"],
}


def main_end(line):
    figures = line["figures"]
    return figures.get("read") or figures["written"]


def cpu_percent(line, process="broker"):
    return line["figures"][process]["cpu_s"] / line["seconds"] * 100


def marks(line):
    """What must be known before a figure is believed."""
    said = ""
    if cpu_percent(line) > LIMIT_PERCENT:
        said += "ˢ"
    if cpu_percent(line, "generator") > LIMIT_PERCENT:
        said += "ᵍ"
    written = line["figures"].get("written", {})
    if "error" in line or written.get("overdue"):
        said += "ˣ"
    return said


class Report:
    def __init__(self, results, what, plan, cpus, seconds):
        self.results, self.what, self.plan, self.cpus, self.seconds = results, what, plan, cpus, seconds
        self.names = list(what)
        self.scenarios = list(dict.fromkeys(line["scenario"] for line in results))

    def lines(self, name, scenario):
        return [line for line in self.results if (line["broker"], line["scenario"]) == (name, scenario)]

    def median(self, name, scenario, figure):
        """The median of a figure over the runs, or None; `figure` takes a line, and is None where the line has none."""
        lines = [line for line in self.lines(name, scenario) if "value" in line or "figures" in line]
        values = [value for value in map(figure, lines) if value is not None]
        return statistics.median(values) if values else None

    def cell(self, name, scenario, figure):
        lines = [line for line in self.lines(name, scenario) if "value" in line or "figures" in line]
        values = [value for value in map(figure, lines) if value is not None]
        if not values:
            return "–"
        said = f"{statistics.median(values):.4g}"
        if len(values) > 1:
            said += f" ({min(values):.3g}–{max(values):.3g})"
        return said + ("".join(sorted(set("".join(marks(line) for line in lines if "figures" in line)))))

    def row(self, title, scenario, figure):
        return [title, *(self.cell(name, scenario, figure) for name in self.names)]

    def command(self, scenario):
        return next(line["command"] for line in self.results if line["scenario"] == scenario)

    def tables(self):
        """[(title, note, head, rows, scenarios)]"""
        per_second = lambda line: main_end(line)["records"] / line["seconds"]
        megabytes, us = FIGURES["mb"], FIGURES["us"]
        head = ["", *self.names]
        full = [s for s in self.scenarios if "full speed" in s and not s.startswith("steady")]
        rows = []
        for scenario in full:
            rows.append(self.row(f"{scenario}: MB/s", scenario, megabytes))
            rows.append(self.row(f"{scenario}: broker CPU, µs a record", scenario, us))
            rows.append(self.row(f"{scenario}: broker CPU, s a GB", scenario, FIGURES["s_per_gb"]))
        yield "Full speed", "One connection, 16 requests in flight, acks=all.", head, rows, full
        rated = [s for s in self.scenarios if s.startswith("produce at ")]
        rows = [self.row(f"{s}: {what}", s, figure) for s in rated for what, figure in
                [("broker CPU, µs a record", us), ("broker CPU, % of a core", cpu_percent), ("p99 of a request, ms", FIGURES["p99"])]]  # fmt: skip
        yield "At a rate", "As above, at rates that leave a broker which does not sync room.", head, rows, rated
        rated = [s for s in self.scenarios if s.startswith("end to end")]
        rows = []
        for scenario in rated:
            for _, part in PERCENTILES:
                key = part.replace(".", "") + "_us"
                rows.append(self.row(f"{scenario}: {part}, ms", scenario, lambda line, key=key: main_end(line)[key] / 1000))
            rows.append(self.row(f"{scenario}: records/s read", scenario, per_second))
            rows.append(self.row(f"{scenario}: broker CPU, µs a record", scenario, us))
            rows.append(self.row(f"{scenario}: broker CPU, % of a core", scenario, cpu_percent))
            switches = lambda line: line["figures"]["broker"]["context_switches"] / max(1, main_end(line)["records"])
            rows.append(self.row(f"{scenario}: broker's context switches a record", scenario, switches))
        note = "1 KiB records, written at a rate and read at once; from the time a record was due to its arrival at the reader, acks=all."
        yield "End to end", note, head, rows, rated
        spread = [s for s in self.scenarios if s.startswith("produce to ")]
        rows = [self.row(f"{s}: records/s", s, per_second) for s in spread]
        rows += [self.row(f"{s}: p99 of a request, ms", s, lambda line: main_end(line)["p99_us"] / 1000) for s in spread]
        rows += [self.row(f"{s}: synced writes and syncs a second", s, FIGURES["syncs"]) for s in spread if s.endswith("4 KiB batches")]
        yield "Partitions", "One batch of 4 KiB a request where nothing else is said; only their targets differ.", head, rows, spread
        steady = [s for s in self.scenarios if s.startswith("steady ")]
        rows = [self.row(f"{s}: p99, ms", s, FIGURES["p99"]) for s in steady]
        rows.append(self.row("compacted meanwhile, MB written", steady[-1], lambda line: (line.get("cleaned_bytes") or 0) / 1e6) if steady else [])
        yield "Beside bulk work", "A steady producer and its reader, from due to arrival.", head, [row for row in rows if row], steady
        units = {"start": "s", "RSS at start": "MiB", "idle": "% of a core", "RSS peak": "MiB", "memory with page cache": "MiB",
                 "steps above 0.5 ms of CPU time": "of all tasks under all loads", "steps above 0.5 ms of wall time": "of all tasks under all loads", "start after SIGKILL": "s to the first acknowledgement"}  # fmt: skip
        single = [s for s in self.scenarios if s in units]
        rows = [self.row(f"{s}, {units[s]}", s, lambda line: line["value"]) for s in single]
        yield "Start, memory, idle", "The peaks are those of all scenarios together.", head, rows, single

    def limit(self):
        """The arithmetic of the network's limit: (head, rows)."""
        produce = "produce, full speed, 1 KiB records, 64 KiB batches"
        consume = "consume, full speed, a topic larger than --memory"
        head = ["", "Gb/s", "replicas", "clients write, GB/s", "cores for what comes in", "cores for what goes out", "disk writes, GB/s"]
        rows = []
        for name in self.names:
            cost_in = self.median(name, produce, lambda line: line["figures"]["broker"]["cpu_s_per_gb"])
            cost_out = self.median(name, consume, lambda line: line["figures"]["broker"]["cpu_s_per_gb"])
            disk = self.median(name, produce, lambda line: line["figures"]["broker"]["disk_written_bytes"] / max(1, main_end(line)["bytes"]))
            if None in (cost_in, cost_out, disk):
                continue
            for gbits in LINKS_GBITS:
                for replicas in (1, 3):
                    line_rate = gbits / 8
                    numbers = [line_rate / replicas, line_rate * cost_in, line_rate * cost_out, line_rate * disk]
                    rows.append([name, str(gbits), str(replicas), *(f"{number:.3g}" for number in numbers)])
        return head, rows

    def charts(self):
        rated = [s for s in self.scenarios if s.startswith("end to end")]
        offered = {scenario: next(line["rate"] for line in self.results if line["scenario"] == scenario) for scenario in rated}

        def against_load(figure):
            found = {}
            for name in self.names:
                points = [(offered[s], self.median(name, s, figure)) for s in rated]
                found[name] = [(x, y) for x, y in points if y is not None]
            return {name: points for name, points in found.items() if points}

        for scenario in rated:
            yield self.latencies(scenario)
        yield plots.lines("Throughput against offered load", "records/s offered", "records/s read",
                          against_load(lambda line: main_end(line)["records"] / line["seconds"]))  # fmt: skip
        yield plots.lines("p99 against offered load", "records/s offered", "ms",
                          against_load(lambda line: main_end(line)["p99_us"] / 1000), True, True)  # fmt: skip
        yield plots.lines("Broker CPU against offered load", "records/s offered", "% of a core", against_load(cpu_percent))
        memory = {name: self.median(name, "RSS peak", lambda line: line["value"]) for name in self.names}
        yield plots.bars("Peak of resident memory", "MiB", {name: value for name, value in memory.items() if value is not None})

    def latencies(self, scenario):
        """Each broker's run with the median p99."""
        series = {}
        for name in self.names:
            lines = [line for line in self.lines(name, scenario) if "figures" in line]
            if lines:
                points = main_end(sorted(lines, key=FIGURES["p99"])[(len(lines) - 1) // 2])["percentiles_us"]
                # 90 %, 99 % and so on stand at the same distance from each other.
                series[name] = [(1 / (1 - p / 100), max(us, 1) / 1000) for p, us in points if 0 < p < 100]
        ticks = [(1 / (1 - p / 100), f"{p:g} %") for p, _ in PERCENTILES]
        return plots.lines(f"Latency, {scenario}", "of the records", "ms or less", series, True, True, ticks)

    def head(self):
        lines = [host()]
        lines.append(f"Broker on CPU {self.cpus[0]}, load generator on CPU {self.cpus[1]}; {self.plan['runs']} interleaved runs of each broker, "
                     f"{self.plan['seconds']} s a scenario after {self.plan['warm'][0]} s of warm-up at full speed (Corelog: {self.plan['warm'][1]}); free memory touched before each run; "
                     f"{self.seconds / 60:.0f} minutes in all; {time.strftime('%Y-%m-%d %H:%M %Z')}; {version()}.")  # fmt: skip
        lines += [f"**{name}**: {what}." for name, what in self.what.items()]
        lines.append("Medians, with the lowest and highest of several runs. ˢ the broker's core is full; ᵍ the generator's core is full: the "
                     "figure is its limit; ˣ the rate was not kept, or something failed.")  # fmt: skip
        return lines


NOTE_OF_LIMIT = (
    "Cores = line rate × CPU-seconds a GB, of the full-speed rows above: what comes in costs what a produce costs (a follower's append "
    "is taken for one), what goes out what a consume costs. With three replicas a broker in a balanced cluster of three receives, beside each byte "
    "of its clients, two of other leaders; the same link sends two to followers and has room for one to consumers. Both "
    "directions are full at once; costs on one core are taken to grow with cores in proportion."
)


NOTE_OF_PROFILES = (
    "Corelog sync, each load once more, under `perf record -g` (scripts/python/profiles.py): a sample is counted for the first use of the "
    "list there that a frame of its stack matches. On a virtual machine the page fault of a page's first touch and telling the device leave the guest."
)


def host():
    return f"{platform.system()} {platform.release()}, {processor()}, {os.cpu_count()} CPUs, {total_memory()}, {disk()}"


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def total_memory():
    kib = int(next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal:")).split()[1])
    return f"{kib / 1048576:.0f} GiB of memory"


def disk():
    asked = ["findmnt", "-n", "-o", "FSTYPE,SOURCE", "-T", "/tmp"]
    return " on ".join(subprocess.run(asked, capture_output=True, text=True).stdout.split()) or "unknown disk"


def version():
    def git(*words):
        asked = ["git", "-C", str(Path(__file__).parent), *words]
        return subprocess.run(asked, capture_output=True, text=True).stdout.strip()

    # The results are being written.
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)benches/results")
    return f"Corelog {git('describe', '--always') or 'without a commit'}{'-dirty' if changed else ''}"


def markdown_table(head, rows):
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def html_table(head, rows):
    cells = lambda kind, row: "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in row)
    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return f"<div class='wide'><table><thead><tr>{cells('th', head)}</tr></thead><tbody>\n{body}</tbody></table></div>"


STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; color: #1f2328; background: #fff }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } .wide { overflow-x: auto }
th, td { border-bottom: 1px solid #d0d7de; padding: 3px 10px; text-align: right } th:first-child, td:first-child { text-align: left }
svg { width: 530px; max-width: 100%; background: #fff } code { font-size: 12px; word-break: break-all }
""" + plots.STYLE


NAMES_OF_LIMITS = {
    "reader_cpu_s_per_gb": "plain blocking reader on the broker's core, CPU-seconds a GB",
    "sender_cpu_s_per_gb": "plain blocking sender on the broker's core, CPU-seconds a GB",
    "disk_4_kib_1_in_flight_bytes_per_s": "disk, 4 KiB O_DIRECT and RWF_DSYNC, one in flight, MB/s",
    "disk_1024_kib_1_in_flight_bytes_per_s": "disk, 1 MiB O_DIRECT and RWF_DSYNC, one in flight, MB/s",
    "disk_1024_kib_4_in_flight_bytes_per_s": "disk, 1 MiB O_DIRECT and RWF_DSYNC, four in flight, MB/s",
    "memcpy_bytes_per_s": "memory copied by one core, MB/s",
}


def limit_rows(limits):
    scale = lambda name: 1e6 if name.endswith("bytes_per_s") else 1
    return [[title, f"{limits[name] / scale(name):.4g}"] for name, title in NAMES_OF_LIMITS.items()]


def profile_table(found):
    """(head, rows) of what `compare.profiled` found: a row a load, the uses by the largest part of any."""
    uses = dict.fromkeys(use for shares in found.values() for use in shares)
    largest = lambda use: max(shares.get(use, 0) for shares in found.values())
    uses = sorted(uses, key=largest, reverse=True)
    rows = [[scenario, *(f"{shares.get(use, 0) * 100:.1f}" for use in uses)] for scenario, shares in found.items()]
    return ["% of the broker's CPU time", *uses], rows


def write_profiles(out, profiles, memory):
    out.mkdir(parents=True, exist_ok=True)
    told = f"Not known: {profiles}." if isinstance(profiles, str) else markdown_table(*profile_table(profiles))
    made = f"Made by `scripts/compare --profiles`, corelogd --memory {memory}; not edited. {host()}; {time.strftime('%Y-%m-%d %H:%M %Z')}; {version()}."
    (out / "profiles.md").write_text("\n\n".join(["# Where Corelog's time goes", made, NOTE_OF_PROFILES, told]) + "\n")


def write(out, results, what, plan, cpus, seconds, limits, memory, profiles="the comparison is not over"):
    report = Report(results, what, plan, cpus, seconds)
    out.mkdir(parents=True, exist_ok=True)
    lines = [*results, {"broker": "none", "scenario": "the machine itself", "command": "scripts/python/physical.py", "figures": limits}]
    if not isinstance(profiles, str):
        command = "perf record -g, scripts/python/profiles.py"
        lines += [{"broker": MAIN, "scenario": scenario, "command": command, "profile": shares} for scenario, shares in profiles.items()]
    (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text, page = ["# Corelog beside Apache Kafka", ""], ["<h1>Corelog beside Apache Kafka</h1>"]
    text += ["Made by `scripts/compare`; not edited.", ""]
    for line in report.head():
        text += [line, ""]
        page.append("<p>" + html.escape(line).replace("**", "") + "</p>")
    extra = [
        ("What was aimed at", "Ratios of medians of this run; full-speed rows are marked below where a core was full.", *Reach(report, limits, memory, FIGURES).all()),
        ("The machine itself", "`scripts/python/physical.py`, before the first broker.", ["", "figure"], limit_rows(limits)),
    ]  # fmt: skip
    page += list(report.charts())
    for title, note, head, rows in extra:
        text += [f"## {title}", "", note, "", markdown_table(head, rows), ""]
        page += [f"<h2>{title}</h2><p>{html.escape(note)}</p>", html_table(head, rows)]
    for title, note, head, rows, scenarios in report.tables():
        if not rows:
            continue
        text += [f"## {title}", "", note, "", markdown_table(head, rows), ""]
        page += [f"<h2>{title}</h2><p>{html.escape(note)}</p>", html_table(head, rows)]
        page.append("<details><summary>Commands</summary>")
        for scenario in scenarios:
            text.append(f"- {scenario}: `{report.command(scenario)}`")
            page.append(f"<p>{html.escape(scenario)}<br><code>{html.escape(report.command(scenario))}</code></p>")
        page.append("</details>")
        text.append("")
    text += ["## Where the time goes", ""]
    page.append("<h2>Where the time goes</h2>")
    if isinstance(profiles, str):
        text += [f"Not known: {profiles}.", ""]
        page.append(f"<p>Not known: {html.escape(profiles)}.</p>")
    else:
        text += [NOTE_OF_PROFILES, "", markdown_table(*profile_table(profiles)), ""]
        page += [f"<p>{html.escape(NOTE_OF_PROFILES)}</p>", html_table(*profile_table(profiles))]
    head, rows = report.limit()
    text += ["## The limit of the network", "", NOTE_OF_LIMIT, "", markdown_table(head, rows), ""]
    page += ["<h2>The limit of the network</h2>", f"<p>{html.escape(NOTE_OF_LIMIT)}</p>", html_table(head, rows)]
    (out / "report.md").write_text("\n".join(text))
    if chart := report.latencies(PLOTTED):
        (out / "latency.svg").write_text(plots.alone(chart))
    whole = "\n".join(page)
    (out / "report.html").write_text(
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>Corelog beside Apache Kafka</title><style>{STYLE}</style>\n{whole}\n</html>\n"
    )
