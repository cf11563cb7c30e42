#!/usr/bin/env python3
"""Records this machine's /proc counters once a second, as narrow CSV.

    demo/record_metrics.py HOST SECONDS > machine_metrics.csv

One line per metric and second: ts (UTC, milliseconds), host, metric, value.
Values are written as the kernel states them; CPU times are in seconds, memory
in kilobytes, and cpu_busy_percent is the only one that is calculated.
"""
import os
import sys
import time
from datetime import datetime, timezone

HERTZ = os.sysconf("SC_CLK_TCK")

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
STAT = ("ctxt", "intr", "processes", "procs_running", "procs_blocked")
MEMINFO = (
    "MemFree", "MemAvailable", "Buffers", "Cached", "Active", "Inactive",
    "Active(anon)", "Active(file)", "Dirty", "Writeback", "AnonPages",
    "Mapped", "Shmem", "Slab", "KernelStack", "PageTables", "Committed_AS",
)
VMSTAT = (
    "pgpgin", "pgpgout", "pgfault", "pgmajfault", "pgfree", "pgactivate",
    "pgreuse", "numa_hit", "nr_dirtied", "nr_written",
)
DISK = (
    (3, "reads"), (5, "sectors_read"), (6, "read_ms"), (7, "writes"),
    (9, "sectors_written"), (10, "write_ms"), (11, "in_flight"), (12, "io_ms"),
)
NET = ((0, "rx_bytes"), (1, "rx_packets"), (8, "tx_bytes"), (9, "tx_packets"))


def lines(path):
    with open(path) as f:
        return f.read().splitlines()


def sample(previous):
    """All metrics of this moment as (name, text); previous carries CPU state."""
    out = []
    for line in lines("/proc/stat"):
        word, *rest = line.split()
        if word.startswith("cpu"):
            ticks = [int(t) for t in rest[:8]]
            if word != "cpu":
                out += [(f"{word}_{mode}_seconds", f"{t / HERTZ:.2f}")
                        for mode, t in zip(CPU_MODES, ticks) if mode not in ("nice", "irq")]
            total, idle = sum(ticks), ticks[3] + ticks[4]
            if word in previous and total > previous[word][0]:
                d_total = total - previous[word][0]
                d_idle = idle - previous[word][1]
                out.append((f"{word}_busy_percent", f"{100 * (d_total - d_idle) / d_total:.2f}"))
            previous[word] = (total, idle)
        elif word in STAT:
            out.append((word, rest[0]))
    for name, value in zip(("load1", "load5", "load15"), lines("/proc/loadavg")[0].split()):
        out.append((name, value))
    for line in lines("/proc/meminfo"):
        name, value = line.split(":")
        if name in MEMINFO:
            name = name.replace("(", "_").replace(")", "")
            out.append((f"mem_{name}_kb", value.split()[0]))
    for line in lines("/proc/vmstat"):
        name, value = line.split()
        if name in VMSTAT:
            out.append((f"vm_{name}", value))
    for line in lines("/proc/diskstats"):
        fields = line.split()
        if fields[2].startswith(("sd", "vd", "xvd", "nvme")) and int(fields[3]) > 0:
            out += [(f"disk_{fields[2]}_{name}", fields[i]) for i, name in DISK]
    for line in lines("/proc/net/dev")[2:]:
        device, counters = line.split(":")
        fields = counters.split()
        if fields[0] != "0":
            out += [(f"net_{device.strip()}_{name}", fields[i]) for i, name in NET]
    if os.path.exists("/proc/pressure"):
        for resource in ("cpu", "io", "memory"):
            some = dict(f.split("=") for f in lines(f"/proc/pressure/{resource}")[0].split()[1:])
            out.append((f"pressure_{resource}_avg10", some["avg10"]))
            out.append((f"pressure_{resource}_total_us", some["total"]))
    return out


def main():
    host, seconds = sys.argv[1], int(sys.argv[2])
    previous = {}
    sample(previous)
    print("ts,host,metric,value", flush=True)
    due = time.time() + 1
    end = due + seconds
    while due < end:
        time.sleep(max(0, due - time.time()))
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        rows = [f"{now},{host},{name},{value}" for name, value in sample(previous)]
        print("\n".join(rows), flush=True)
        due += 1


main()
