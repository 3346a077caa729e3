#!/usr/bin/env python3
"""verify_log.py REPOSITORY [HASH ...]: verifies the audit logs of a repository in a folder by docs/audit.md alone.
HASHes are records that somebody noted elsewhere. Python's standard library is enough. Exit code 0: intact, 1: not, 2: no break was
found, but a restore point's manifest cannot be read: what it says of the log's end is not known."""
import hashlib, json, os, re, stat, struct, sys
from datetime import datetime
from pathlib import Path

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P                                # Ed25519, RFC 8032 section 5.1
def decode(b):
    y = int.from_bytes(b, "little"); sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P; x = pow(x2, (P + 3) // 8, P)
    if x * x % P != x2: x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != x2 or y >= P or (x == 0 and sign): raise ValueError("no point of the curve")
    return (P - x if x & 1 != sign else x, y, 1, (P - x if x & 1 != sign else x) * y % P)
def add(p, q):
    a, b, c, d = (p[1]-p[0])*(q[1]-q[0]), (p[1]+p[0])*(q[1]+q[0]), 2*D*p[3]*q[3], 2*p[2]*q[2]
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e*f % P, g*h % P, f*g % P, e*h % P)
def times(n, p):
    r = (0, 1, 1, 0)
    for bit in bin(n)[2:]: r = add(r, r); r = add(r, p) if bit == "1" else r
    return r
BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
def signed(key, message, signature):
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    a, b = times(s, BASE), add(decode(signature[:32]), times(k, decode(key)))
    return len(signature) == 64 and s < L and (a[0]*b[2] - b[0]*a[2]) % P == 0 and (a[1]*b[2] - b[1]*a[2]) % P == 0

def envelope(data, kind):                                              # docs/audit.md, "An object"
    magic, version, k, cipher, size = struct.unpack_from("<8sHBBI", data)
    if magic != b"\x89NAT\r\n\x1a\n" or (version, k) != (1, kind): raise ValueError("no object of this kind")
    if hashlib.sha256(data[:-32]).digest() != data[-32:]: raise ValueError("the checksum is wrong")
    return data[16:32].hex(), data[48:48 + size], data[48 + size + 16 * struct.unpack_from("<I", data, 32)[0]:-32]

def objects(folder):                                                   # What other programs leave (Thumbs.db, @eaDir) has no name of an object
    return sorted(f for f in folder.glob("*") if re.fullmatch("[a-z0-9_-]([a-z0-9._-]*[a-z0-9_-])?", f.name) and not f.is_dir())
def content(file):                                                     # A pipe would be waited for without an end
    with os.fdopen(os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)), "rb") as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode): raise ValueError("it is no file")
        return opened.read()

def verify(log, appliance, key, anchors):
    records, breaks = {}, []
    for file in objects(log):
        try:
            oid, header, signature = envelope(content(file), 6); r = json.loads(header)
            name = f'{r["number"]:012}.{r["event"]}.{r.get("sequence", 0):012}.{oid}'
            if not signed(key, b"natalia audit record 1\n" + header, signature): raise ValueError("the signature is wrong")
            if file.name != name or r.get("appliance") != appliance: raise ValueError("it belongs elsewhere: " + name)
            if records.setdefault(hashlib.sha256(header).hexdigest(), r) is not r: raise ValueError("a copy of a record")
        except (ValueError, TypeError, KeyError, IndexError, OSError, struct.error) as e: breaks.append(f"{file.name}: {e}")
    named = {h for r in records.values() for h in r["heads"]}
    breaks += [f"the record {h} is missing" for h in sorted((named | anchors) - records.keys())]
    time = lambda r: datetime.fromisoformat(r["timeUtc"][:19])
    for h, r in records.items():
        if r["number"] != 1 + max((records[x]["number"] for x in r["heads"] if x in records), default=0):
            breaks.append(f'{h}: its number {r["number"]} does not follow its heads')
        later = [o for g, o in records.items() if g != h and o["number"] >= r["number"]]
        if h not in named and later and (all(o["number"] > r["number"] for o in later)
                or any(abs((time(o) - time(r)).total_seconds()) > 3600 for o in later)):
            breaks.append(f'{h}: no later record names it')
    if appliance is None and not any(r["number"] == 1 and r["event"] == "repository-created" for r in records.values()):
        breaks.append("the repository's log does not begin with its making")
    return records, breaks

def main(folder, noted):
    key = bytes.fromhex(json.loads((folder / "natalia.json").read_bytes())["auditKey"])
    print("key", hashlib.sha256(key).hexdigest()); seen, broken, unread = set(), False, False
    for log in [folder / "log", *sorted(p / "log" for p in (folder / "appliances").glob("*") if re.fullmatch("[0-9a-f]{32}", p.name))]:
        anchors, appliance = set(), None if log.parent == folder else log.parent.name
        for manifest in objects(log.parent / "points") if appliance else []:
            try: anchors |= set(json.loads(envelope(content(manifest), 5)[1])["logHeads"])
            except (ValueError, TypeError, KeyError, OSError, struct.error): unread = True; print("UNREADABLE manifest", manifest.name)
        records, breaks = verify(log, appliance, key, anchors); seen |= records.keys(); broken |= bool(breaks)
        print("BROKEN" if breaks else "intact", log.relative_to(folder), f"{len(records)} records", *breaks, sep="\n  ")
    for h in (h for h in noted if h not in seen): broken = True; print("BROKEN noted record is not there:", h)
    return 1 if broken else 2 if unread else 0

if __name__ == "__main__": sys.exit(main(Path(sys.argv[1]), [h.lower() for h in sys.argv[2:]]))
