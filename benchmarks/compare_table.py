"""The tables of compare.sh: reads what its rounds have measured, and prints medians, limits and ratios. Also writes them as JSON.

The limit of a step is the start of the shell, the stretching of the password, and the time that the same bytes take in the primitives alone on all
processors, whatever takes longest: the processors (the plain loop's processor time, with the system's part in the write, over all processors), or the disk
that is written to. Its CPU is the sum of the same things in seconds of processor time. At an open prompt neither start nor password is part of it. Programs that use the machine as well make every step slower by the
clock, and the limit much less so: then only the ratios of CPU say something. The primitives are measured right before and right behind our steps in each round.
A page fault takes what the first touch of a page of memory took in the primitives, which themselves use their memory again: faults times that is what a process that
has just begun takes for memory, on one processor or on several.
The fastest figures of all rounds, ours and the limit's (the least start and the least primitives), tell what a machine can do; medians tell what it did.
"""
import json
import statistics
import sys

OURS = "natalia"
START = "start of the shell"
# The step, the pass of the primitives, the product's goal in limits, and in restic's time.
STEPS = (("full", "full", 1.2, 0.30), ("restore the second point", "restore", 1.25, 0.35), ("verify", "verify", 1.15, None))
# The same at a prompt where it was done before: what is left of the distance is the engine's.
AT_PROMPT = (("at an open prompt, full", "full"), ("at an open prompt, restore", "restore"), ("at an open prompt, verify", "verify"))
# Where a peer cannot do what we can, its own way to a second point is the one to compare with.
INSTEAD = {"second point, changes known": "second point, disk read again", "second point, nothing changed": None, "scrub every object": "verify",
           "restore to VHDX": "restore the second point", "restore to VMDK": "restore the second point",
           "at an open prompt, changes known": "second point, disk read again", "at an open prompt, disk read again": "second point, disk read again",
           "at an open prompt, full": "full", "at an open prompt, restore": "restore the second point", "at an open prompt, verify": "verify"}
# What a disk image must reach of a raw one's speed.
IMAGE_GOALS = {"write": 0.7, "read": 0.8}


def read_results(path):
    """Medians of wall, CPU, memory, stored bytes and page faults and the least of wall, by (tool, step), in order of appearance; and how many rounds there were."""
    values, rounds = {}, set()
    with open(path) as file:
        for line in file:
            tool, step, number, *figures = line.rstrip("\n").split("\t")
            rounds.add(number)
            values.setdefault((tool, step), []).append([float(f) for f in figures])
    return {key: [statistics.median(column) for column in zip(*rows)] + [min(r[0] for r in rows)] for key, rows in values.items()}, len(rounds)


def limit_of(primitives, name, start):
    """Wall and CPU seconds that one round's primitives leave as the limit of a step. START is (wall, CPU) of the shell, or None at an open prompt."""
    processors, measured = primitives["processors"], primitives["rounds"][0]
    step, password = measured[name], measured["password"] if start else {"seconds": 0, "cpuSeconds": 0}
    start = start or (0, 0)
    write = step["write"] or {"seconds": 0}
    # Not the stages: theirs are seconds by the clock, also those in which a worker had no processor.
    computing = step["loop"]["cpuSeconds"] / processors
    return {"wall": start[0] + password["seconds"] + max(computing, write["seconds"]),
            "cpu": start[1] + password["cpuSeconds"] + step["loop"]["cpuSeconds"],
            "plainLoop": start[0] + password["seconds"] + step["loop"]["seconds"]}


def limits(results, primitives):
    """Of each step the median limit, ours, how many limits that is, also of the fastest of both, and what part of our time the limit is."""
    rows = {}
    if not primitives or (OURS, START) not in results:
        return rows
    for step, name, goal, restic_goal in STEPS + tuple((s, n, None, None) for s, n in AT_PROMPT):
        ours = results.get((OURS, step))
        if ours is None:
            continue
        at_prompt = (step, name) in AT_PROMPT
        rounds = [limit_of(p, name, None if at_prompt else results[OURS, START]) for p in primitives]
        least = min(limit_of(p, name, None if at_prompt else [results[OURS, START][-1], 0])["wall"] for p in primitives)
        row = {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
        page = statistics.median(p["rounds"][0]["pageSeconds"] for p in primitives)
        restic, borg = (None if at_prompt else results.get((tool, step)) for tool in ("restic", "borg"))
        rows[step] = {"limitSeconds": row["wall"], "plainLoopSeconds": row["plainLoop"], "limitCpuSeconds": row["cpu"],
                      "seconds": ours[0], "cpuSeconds": ours[1], "timesLimit": ours[0] / row["wall"], "fastestTimesLimit": ours[-1] / least, "share": row["wall"] / ours[0],
                      "cpuTimesLimit": None if at_prompt else ours[1] / row["cpu"], "timesRestic": ours[0] / restic[0] if restic else None,
                      "timesBorg": ours[0] / borg[0] if borg else None, "goalTimesLimit": goal, "goalTimesRestic": restic_goal,
                      "pageFaults": None if at_prompt else ours[4], "pageSeconds": page}
    return rows


def line(name, cells):
    print("%-44s" % name + "".join("%12s" % c for c in cells))


def number(value, form):
    return "-" if value is None else form % value


def print_all(results):
    tools = list(dict.fromkeys(t for t, _ in results))
    steps = list(dict.fromkeys(s for _, s in results))
    peers = [t for t in tools if t != OURS] if OURS in tools else []
    print()
    line("", tools + ["vs " + p for p in peers])
    stored = [s for s in steps if s == "full" or s.startswith("second")]
    for title, index, unit, digits, wanted in (("wall, seconds", 0, 1, 2, steps), ("CPU, seconds", 1, 1, 1, steps),
                                               ("peak memory, MiB", 2, 1 << 20, 0, steps), ("stored, MiB", 3, 1 << 20, 1, stored)):
        print(title)
        for step in wanted:
            if step.startswith("at an open prompt") and index > 0:
                continue
            cells = ["%.*f" % (digits, results[t, step][index] / unit) if (t, step) in results else "-" for t in tools]
            for peer in peers:
                mine, theirs = results.get((OURS, step)), results.get((peer, step if peer == "before" else INSTEAD.get(step, step)))
                cells.append("%.2fx" % (mine[index] / theirs[index]) if mine and theirs and theirs[index] > 0 else "-")
            line("  " + step, cells)
    print("\nvs: Natalia.Backup's figure divided by the other's; below 1 is better. Changes known is compared with the other's reading again.")


def print_limits(rows, rounds):
    print("\nAgainst the limit of the primitives, medians of %d rounds" % rounds)
    line("", ["limit, s", "plain loop", "ours, s", "x limit", "fastest", "share", "CPU x limit", "x restic", "x borg", "goal", "page faults"])
    for step, r in rows.items():
        line("  " + step, ["%.2f" % r["limitSeconds"], "%.2f" % r["plainLoopSeconds"], "%.2f" % r["seconds"], "%.2f" % r["timesLimit"], "%.2f" % r["fastestTimesLimit"],
                           "%.0f%%" % (100 * r["share"]), number(r["cpuTimesLimit"], "%.2f"), number(r["timesRestic"], "%.2f"),
                           number(r["timesBorg"], "%.2f"), number(r["goalTimesLimit"], "<= %.2f"),
                           number(r["pageFaults"], "%d")])
    print("limit: start of the shell, password, and the slower of processors (CPU of the plain loop over all of them) and disk; at an open prompt without start and password. Plain loop: the same primitives in one loop that overlaps them. Fastest: the fastest of our runs over the least limit.")
    print("A page fault takes %.1f us here: 10,000 of them %.2f s of processor time." % tuple(rows[next(iter(rows))]["pageSeconds"] * n for n in (1e6, 1e4)))


def print_images(images):
    print("\nDisk images, speed against a raw one (above 1 is faster)")
    line("", ["writing", "reading"])
    for name, speeds in images.items():
        line("  " + name, ["%.2f" % speeds["write"], "%.2f" % speeds["read"]])
    print("goals: writing >= %.1f, reading >= %.1f" % (IMAGE_GOALS["write"], IMAGE_GOALS["read"]))


def main(results_path, images_path, json_path, *primitive_paths):
    results, rounds = read_results(results_path)
    primitives = [json.load(open(path)) for path in primitive_paths]
    images = json.load(open(images_path)) if images_path else None
    rows = limits(results, primitives)
    print_all(results)
    if rows:
        print_limits(rows, rounds)
    if images:
        print_images(images)
    if json_path:
        names = ("seconds", "cpuSeconds", "memoryBytes", "storedBytes", "pageFaults", "leastSeconds")
        with open(json_path, "w") as file:
            json.dump({"rounds": rounds, "limits": rows, "images": images, "primitives": primitives,
                       "steps": [{"tool": t, "step": s, **dict(zip(names, v))} for (t, s), v in results.items()]}, file, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
