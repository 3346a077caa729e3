"""The parts of make-disk.sh that a shell does badly: many small files, and changes inside allocated space. Seeded, so every run gives the same bytes."""
import os
import random
import sys

PAGE = 8192


def small_files(folder, total=200_000_000):
    """Logs, JSON and what looks like recordings: text that compresses, and bytes that do not."""
    rng = random.Random(20301)
    words = [("%x" % rng.getrandbits(rng.choice((12, 16, 20, 28)))) for _ in range(4000)]
    written = number = 0
    while written < total:
        size = int(min(400_000, 200 + rng.paretovariate(0.9) * 2500))
        if number % 10 == 0:
            body = rng.randbytes(size)
        else:
            body = " ".join(rng.choices(words, k=size // 6)).encode()
        path = os.path.join(folder, "%02d" % (number % 40), "%06d.%s" % (number, "opus" if number % 10 == 0 else "json"))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(body)
        os.utime(path, (1893456000 + number, 1893456000 + number))
        written += len(body)
        number += 1


def allocated(fd, size):
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, at


def records(path, mebibytes):
    """A disk of call records without a file system or a database: a quick trial. Every fourth mebibyte is a hole."""
    rng = random.Random(20303)
    pieces = []
    for _ in range(8):
        rows = ("%012d;+331%08d;%s;%d\n" % (rng.getrandbits(38), rng.randrange(10**8), rng.choice(("ANSWERED", "BUSY", "NOANSWER")),
                                          rng.randrange(3600)) for _ in range(30_000))
        pieces.append("".join(rows).encode()[:1 << 20])
    with open(path, "wb") as file:
        for number in range(mebibytes):
            if number % 4 == 3:
                continue
            file.seek(number << 20)
            file.write(pieces[number % len(pieces)])
        file.truncate(mebibytes << 20)


def change(image, listing, count=2000, run=64 << 20):
    rng = random.Random(20302)
    fd = os.open(image, os.O_RDWR)
    size = os.fstat(fd).st_size
    extents = [(-(-a // PAGE), b // PAGE) for a, b in allocated(fd, size) if b // PAGE > -(-a // PAGE)]
    total = sum(b - a for a, b in extents)

    def page(number):
        for a, b in extents:
            if number < b - a:
                return a + number
            number -= b - a
        raise IndexError(number)

    def write(at, length):
        os.pwrite(fd, rng.randbytes(length // 2) + bytes(length // 2), at)

    pages = {page(n) for n in rng.sample(range(total), count)}
    longest = max(extents, key=lambda e: e[1] - e[0])
    start = (longest[0] + longest[1]) // 2
    if (longest[1] - start) * PAGE < run:
        sys.exit("No allocated extent is long enough for the run of %d MiB." % (run >> 20))
    for number in sorted(pages):
        write(number * PAGE, PAGE)
    for offset in range(0, run, 1 << 20):
        write(start * PAGE + offset, 1 << 20)
    os.fsync(fd)
    os.close(fd)

    pages.update(range(start, start + run // PAGE))
    merged = []
    for number in sorted(pages):
        if merged and merged[-1][1] == number:
            merged[-1][1] += 1
        else:
            merged.append([number, number + 1])
    with open(listing, "w", encoding="ascii") as file:
        file.writelines("%d %d\n" % (a * PAGE, (b - a) * PAGE) for a, b in merged)


if __name__ == "__main__":
    if sys.argv[1] == "files":
        small_files(sys.argv[2])
    elif sys.argv[1] == "records":
        records(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "change-little":
        change(sys.argv[2], sys.argv[3], count=20, run=1 << 20)
    else:
        change(sys.argv[2], sys.argv[3])
