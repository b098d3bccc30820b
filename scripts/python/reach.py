"""What Corelog means to reach, each aim with its figure: from the medians of a comparison's `Report`."""

MAIN, ASYNC, KAFKA, FLUSHING = "Corelog sync", "Corelog async", "Kafka 4.3", "Kafka 4.3 flush"
FULL_SPEED = "produce, full speed, "
RSS_OVER_MEMORY_MIB = 64
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def mib(size):
    return int(size[:-1]) * UNITS[size[-1]] / (1 << 20) if size[-1] in UNITS else int(size) / (1 << 20)


class Reach:
    """Rows of (aim, bound, figure, verdict). A figure that was not measured is told as such."""

    def __init__(self, report, limits, memory, figures):
        self.report, self.limits, self.memory = report, limits, memory
        self.figures = figures
        self.rows = []

    def value(self, name, scenario, figure):
        return self.report.median(name, scenario, self.figures[figure])

    def row(self, aim, bound, figure, reached, unit=""):
        said = "not measured" if figure is None else f"{figure:.3g}{unit}"
        verdict = "–" if figure is None else "reached" if reached(figure) else "not reached"
        self.rows.append([aim, bound, said, verdict])

    def ratio(self, aim, scenario, figure, most=None, least=None, of=MAIN, to=KAFKA, of_scenario=None):
        one, other = self.value(of, of_scenario or scenario, figure), self.value(to, scenario, figure)
        ratio = one / other if one is not None and other else None
        bound = f"≤ {most} ×" if most is not None else f"≥ {least} ×"
        self.row(aim, bound, ratio, lambda ratio: ratio <= most if most is not None else ratio >= least, " ×")

    def all(self):
        sizes = ("1 KiB records, 64 KiB batches", "1 KiB records, 16 KiB batches", "100 B records, 64 KiB batches", "900 KiB batches")
        plain, small, tiny, large = (FULL_SPEED + size for size in sizes)
        consume = "consume, full speed, a topic larger than --memory"
        for what, full_speed in [("1 KiB record", plain), ("1 KiB record in 16 KiB batches", small), ("100 B record", tiny)]:
            size = full_speed.removeprefix(FULL_SPEED)
            at_rate = next((s for s in self.report.scenarios if s.startswith("produce at ") and s.endswith(size)), None)
            for said, scenario in [("at a rate", at_rate), ("full speed", full_speed)]:
                self.ratio(f"CPU per {what}, produce, {said}, beside Kafka unsynced", scenario, "us", most=0.3)
        self.ratio("CPU per 1 KiB record, consume, beside Kafka", consume, "us", most=0.75)
        out = self.value(MAIN, consume, "s_per_gb")
        plain_out = out / self.limits["sender_cpu_s_per_gb"] if out is not None else None
        self.row("CPU per byte, consume, beside a plain blocking sender", "≤ 1.2 ×", plain_out, lambda ratio: ratio <= 1.2, " ×")
        self.ratio("full-speed produce, beside Kafka unsynced", plain, "mb", least=2)
        self.ratio("full-speed produce in 16 KiB batches, beside Kafka synced", small, "mb", least=10, to=FLUSHING)
        self.ratio("full-speed consume, beside Kafka", consume, "mb", least=1.3)
        for rate in (20000, 100000):
            for part in ("p99", "p999"):
                aim = f"end to end at {rate:,}/s, {'p99.9' if part == 'p999' else part}, synced, beside Kafka unsynced"
                self.ratio(aim, f"end to end at {rate}/s", part, most=0.25)
        self.ratio("end to end at 20,000/s, p99, beside Kafka synced", "end to end at 20000/s", "p99", most=0.02, to=FLUSHING)
        self.ratio("throughput of sync beside async", plain, "mb", least=0.8, to=ASYNC)
        both = [self.value(name, "end to end at 20000/s", "p99") for name in (MAIN, ASYNC)]
        apart = None if None in both else both[0] - both[1]
        self.row("p99 of sync above async at 20,000/s", "≤ 1 ms", apart, lambda ms: ms <= 1, " ms")
        spread = "produce to 100 partitions, 16 batches a request, "
        self.ratio("keyed over 100 partitions beside unkeyed", spread + "unkeyed", "mb", least=0.8, to=MAIN, of_scenario=spread + "keyed")
        for count in self.report.plan["partitions"][1:]:
            one = "produce to 1 partitions, 4 KiB batches"
            many = f"produce to {count} partitions, 4 KiB batches"
            self.ratio(f"throughput over {count:,} partitions beside 1", one, "mb", least=0.8, to=MAIN, of_scenario=many)
            self.ratio(f"syncs a second over {count:,} partitions beside 1", one, "syncs", most=1.2, to=MAIN, of_scenario=many)
            self.ratio(f"p99 over {count:,} partitions beside 1", one, "p99", most=1.2, to=MAIN, of_scenario=many)
        alone = "steady 5000/s, alone"
        for what in ("a cold read at full speed", "a compaction"):
            self.ratio(f"p99 of a steady producer beside {what}", alone, "p99", most=1.2, to=MAIN, of_scenario=f"steady 5000/s, beside {what}")
        for name, given in [(MAIN, self.memory), ("Corelog 64M", "64M")]:
            bound = mib(given) + RSS_OVER_MEMORY_MIB
            self.row(f"RSS, highest of all, --memory {given}", f"≤ {bound:.0f} MiB", self.value(name, "RSS peak", "value"),
                     lambda peak, bound=bound: peak <= bound, " MiB")  # fmt: skip
        self.row("start after SIGKILL to the first acknowledgement", "≤ 0.15 s", self.value(MAIN, "start after SIGKILL", "value"), lambda s: s <= 0.15, " s")
        self.row("idle CPU", "≤ 0.5 %", self.value(MAIN, "idle", "value"), lambda percent: percent <= 0.5, " %")
        journal = self.value(MAIN, large, "mb")
        disk = journal and journal * 1e6 / self.limits["disk_1024_kib_4_in_flight_bytes_per_s"]
        self.row("journal bandwidth, large batches, beside the disk's own, 1 MiB, 4 in flight", "≥ 0.8 ×", disk, lambda ratio: ratio >= 0.8, " ×")
        taken = self.value(MAIN, large, "s_per_gb")
        plain_in = self.limits["reader_cpu_s_per_gb"] / taken if taken else None
        self.row("ingest of large batches a CPU-second beside a plain blocking reader", "≥ 0.5 ×", plain_in, lambda ratio: ratio >= 0.5, " ×")
        held = self.value(MAIN, "steps above 0.5 ms of CPU time", "value")
        self.row("steps of tasks above 0.5 ms of CPU time, under all loads", "none", held, lambda count: count == 0)
        return ["aim", "bound", "figure", ""], self.rows
