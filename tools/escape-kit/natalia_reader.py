#!/usr/bin/python3
"""Reads a Natalia.Backup repository without Natalia.Backup: lists its restore points, checks it, and restores disks to raw files.

Written from docs/format.md alone, so that nobody who has a repository and its password depends on the module. It never writes into the repository.
Needs Python 3.9 or newer with the modules "cryptography" and "zstandard" (Debian and Ubuntu: apt install python3-cryptography python3-zstandard).
The repository must lie in a folder; copy a bucket to a folder first. How to use it: docs/escape-kit.md.
"""
import argparse
import getpass
import hashlib
import json
import os
import re
import stat
import struct
import sys
import unicodedata
from collections import OrderedDict
from datetime import datetime, timedelta, timezone
from pathlib import Path

try:
    import zstandard
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF
except ImportError as missing:
    sys.exit(f"error: The Python module '{missing.name}' is not installed. On Debian and Ubuntu: apt install python3-cryptography python3-zstandard; "
             "elsewhere: python3 -m pip install cryptography zstandard.")

MAGIC = bytes.fromhex("894E41540D0A1A0A")
KEY_SLOT, DATA_PACK, META_PACK, DELTA, MANIFEST, AUDIT_RECORD, LEASE, CATALOG = range(1, 9)
PACKS = {"data": DATA_PACK, "meta": META_PACK}
MAX_HEADER, MAX_SEGMENTS, MAX_PLAIN = 64 << 20, 1 << 20, 16 << 20
MAX_SCRYPT_MEMORY, MAX_SCRYPT_WORK = 256 << 20, 1 << 22
# Work for key slots in one go: 48 of those that are written today.
MAX_WORK = 48 << 19
MAX_LENGTH = {KEY_SLOT: 64 << 10, DATA_PACK: 64 << 20, META_PACK: 64 << 20, DELTA: 256 << 20, MANIFEST: 20 << 20, AUDIT_RECORD: 65 << 20,
              LEASE: 64 << 10, CATALOG: 256 << 20}
BLOCK, FANOUT = 65536, 128
ATTACHMENT_PART, MAX_ATTACHMENTS = 1 << 20, 64 << 20


class Trouble(Exception):
    """What the user is told; the program ends with exit code 2."""


class Damaged(Trouble):
    """Bytes of the repository that are not what they should be."""


class Header(dict):
    """A JSON object of the repository; a member that has to be there and is not is damage."""

    def __missing__(self, key):
        raise Damaged(f"A member '{key}' is missing in a JSON object of the repository.")


def parse_json(data, what):
    try:
        value = json.loads(data.decode("utf-8"), object_hook=Header)
    except ValueError as e:
        raise Damaged(f"{what} is no JSON: {e}") from None
    if not isinstance(value, dict):
        raise Damaged(f"{what} is no JSON object.")
    return value


def sha256(data):
    return hashlib.sha256(data).digest()


def open_file(path):
    """Opens a file without waiting for what is none: whoever can write can put a pipe or a device under an object's name."""
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    file = os.fdopen(os.open(path, flags), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(0, "it is no file")
    return file


class Envelope:
    """One object (format.md §3): its header and the table of its segments; segments are read when they are asked for."""

    def __init__(self, path, name, kind):
        self.path, self.name = path, name
        try:
            self.file = open_file(path)
        except OSError as e:
            raise Damaged(f"{name} cannot be read: {e.strerror}.") from None
        try:
            self._parse(kind)
        except BaseException:
            self.file.close()
            raise

    def _parse(self, kind):
        self.length = os.fstat(self.file.fileno()).st_size
        fixed = self._read(0, 48)
        magic, version, self.kind, self.cipher, header, self.id, segments, zero, stored = struct.unpack("<8sHBBI16sIIQ", fixed)
        # No byte is proved yet, so that whatever is strange of one object is damage of this one alone: a newer format is told by natalia.json.
        if magic != MAGIC:
            raise Damaged(f"{self.name} does not begin like an object of a repository.")
        if version != 1:
            raise Damaged(f"{self.name} has envelope version {version}; this reader knows version 1.")
        if self.kind != kind:
            raise Damaged(f"{self.name} is an object of kind {self.kind}, not {kind}.")
        if self.cipher > 1:
            raise Damaged(f"{self.name} is sealed with cipher {self.cipher}; this reader knows 0 and 1.")
        if self.length > MAX_LENGTH.get(kind, MAX_LENGTH[CATALOG]):
            raise Damaged(f"{self.name} has {self.length} bytes, more than an object of its kind may have.")
        if header > MAX_HEADER or segments > MAX_SEGMENTS or zero != 0 or self.length != 48 + header + 16 * segments + stored + 32:
            raise Damaged(f"{self.name} has not the length that its first bytes tell.")
        self.header = self._read(48, header)
        table = self._read(48 + header, 16 * segments)
        self.segments, offset, last = {}, 48 + header + 16 * segments, -1
        for ordinal, plain, length, codec, pad in struct.iter_unpack("<IIIB3s", table):
            if ordinal <= last or plain > MAX_PLAIN or codec > 1 or pad != b"\0\0\0":
                raise Damaged(f"{self.name} has a damaged segment table.")
            self.segments[ordinal] = (plain, length, codec, offset)
            offset, last = offset + length, ordinal
        if offset != self.length - 32:
            raise Damaged(f"{self.name} has a damaged segment table.")

    def _read(self, offset, length):
        try:
            self.file.seek(offset)
            data = self.file.read(length)
        except OSError as e:
            raise Damaged(f"{self.name} cannot be read: {e.strerror}.") from None
        if len(data) != length:
            raise Damaged(f"{self.name} is cut off.")
        return data

    def check(self):
        """Checks the SHA-256 of the whole object and returns it."""
        digest, end = hashlib.sha256(), self.length - 32
        for offset in range(0, end, 1 << 20):
            digest.update(self._read(offset, min(end - offset, 1 << 20)))
        if self._read(self.length - 32, 32) != digest.digest():
            raise Damaged(f"{self.name} is damaged: its checksum does not agree.")
        return digest.digest()

    def json(self):
        return parse_json(self.header, f"The header of {self.name}")

    def segment(self, ordinal, secret):
        """The plain bytes of a segment; `secret` is the master key, or the stretched password of a key slot."""
        if ordinal not in self.segments:
            raise Damaged(f"{self.name} has no segment {ordinal}.")
        plain, length, codec, offset = self.segments[ordinal]
        if length > plain + (plain >> 4) + 1024:
            raise Damaged(f"{self.name}: segment {ordinal} is longer than it may be.")
        data = self._read(offset, length)
        if self.cipher == 1:
            if secret is None:
                raise Damaged(f"{self.name} is encrypted, though the repository says that it is not.")
            key = HKDF(algorithm=hashes.SHA256(), length=32, salt=self.id, info=b"natalia object key 1 " + bytes([self.kind])).derive(secret)
            extra = self.id + struct.pack("<BBII", self.kind, codec, ordinal, plain)
            if self.kind not in (DATA_PACK, META_PACK):
                extra += sha256(self.header)
            try:
                data = AESGCM(key).decrypt(struct.pack("<I8x", ordinal), data, extra)
            except (InvalidTag, ValueError):
                raise Damaged(f"{self.name}: segment {ordinal} is not what was sealed with this key.") from None
        elif secret is not None:
            raise Damaged(f"{self.name} lies in the clear in an encrypted repository; somebody has replaced it.")
        if codec == 1:
            try:
                if zstandard.get_frame_parameters(data).content_size not in (plain, zstandard.CONTENTSIZE_UNKNOWN):
                    raise Damaged(f"{self.name}: segment {ordinal} has not the length that the table tells.")
                data = zstandard.ZstdDecompressor().decompress(data, max_output_size=plain)
            except zstandard.ZstdError as e:
                raise Damaged(f"{self.name}: segment {ordinal} cannot be decompressed: {e}.") from None
        if len(data) != plain:
            raise Damaged(f"{self.name}: segment {ordinal} has not the length that the table tells.")
        return data

    def close(self):
        self.file.close()


class Bytes:
    """A cursor over the plain bytes of a node."""

    def __init__(self, data, what):
        self.data, self.at, self.what = data, 0, what

    def take(self, count):
        if self.at + count > len(self.data):
            raise Damaged(f"{self.what} is cut off.")
        self.at += count
        return self.data[self.at - count:self.at]

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 64:
                    break
                return value
        raise Damaged(f"{self.what} holds a number that is too large.")


class Point:
    """A restore point: its manifest (§6) and what the audit log says about it."""

    def __init__(self, appliance, sequence, run):
        self.appliance, self.sequence, self.run = appliance, sequence, run
        self.header = self.body = self.trouble = None
        self.removed = self.protected = False

    @property
    def age(self):
        """What orders points, the newest highest (§11): by their time, where one that is more than 15 minutes in the future counts as the oldest; of
        one time by sequence. A point that was copied late has a high sequence and an old state. What cannot be read has no time."""
        if self.trouble:
            return False, False, "", self.sequence
        soon = (datetime.now(timezone.utc) + timedelta(minutes=15)).isoformat()
        time = self.header["timeUtc"]
        return True, time <= soon, time, self.sequence

    @property
    def file_name(self):
        return f"{self.sequence:012d}-{self.run}"

    def disk(self, wanted):
        disks = self.body["disks"]
        found = [d for d in disks if d["id"] == wanted] or [d for d in disks if d.get("role", "Unknown").lower() == wanted.lower()]
        names = ", ".join(f"'{d['id']}' ({d.get('role', 'Unknown')}, {d['sizeBytes']} bytes)" for d in disks)
        if not found:
            raise Trouble(f"The point {self.run} has no disk '{wanted}'. It has {names}.")
        if len(found) > 1:
            raise Trouble(f"'{wanted}' means more than one disk of the point {self.run}. Give the id: {names}.")
        return found[0]


class Repository:
    def __init__(self, folder, password):
        """`password` is called when one is needed, and returns a text."""
        self.folder, self.troubles = Path(folder), []
        self._password, self._master = password, None
        self._open = OrderedDict()
        self._read_natalia_json()

    def _read_natalia_json(self):
        try:
            with open_file(self.folder / "natalia.json") as file:
                data = file.read(65537)
        except FileNotFoundError:
            raise Trouble(f"'{self.folder}' is no repository: it has no file natalia.json.") from None
        except OSError as e:
            raise Trouble(f"'{self.folder / 'natalia.json'}' cannot be read: {e.strerror}.") from None
        self.settings = parse_json(data, "natalia.json")
        if self.settings["product"] != "Natalia.Backup repository":
            raise Trouble(f"'{self.folder}' is no repository of Natalia.Backup.")
        if self.settings["format"] != 1 or self.settings["requiredFeatures"]:
            raise Trouble(f"The repository has format {self.settings['format']} with the features {self.settings['requiredFeatures']}; "
                          "this reader knows format 1. Take the reader of a newer version of Natalia.Backup.")
        mark = data.rfind(b',"sha256":"')
        if mark < 0 or data[mark:] != b',"sha256":"' + sha256(data[:mark]).hex().encode() + b'"}\n':
            raise Damaged("natalia.json is damaged: its checksum does not agree. Put a good copy of this file back; the repository needs it.")
        self.hash = sha256(data)
        self.encrypted = self.settings["cipher"] != "none"
        if self.settings["cipher"] not in ("none", "aes-256-gcm"):
            raise Trouble(f"The repository's cipher is '{self.settings['cipher']}'; this reader knows aes-256-gcm and none.")
        self.audit_key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.settings["auditKey"]))

    # ---- keys (§5)
    @property
    def secret(self):
        """The master key; None in a repository that is not encrypted."""
        if self.encrypted and self._master is None:
            self._master = self._open_slot()
        return self._master

    def _open_slot(self):
        slots = []
        for name in self.names("keys"):
            try:
                slot = self.object(f"keys/{name}", KEY_SLOT)
                slots.append((slot, slot.json()))
            except Damaged as e:
                self.troubles.append(str(e))
        if not slots:
            raise Trouble("The repository has no key slot that is whole, so no password can open it. Put the files of its folder 'keys' back from a copy.")
        password = unicodedata.normalize("NFC", self._password()).encode("utf-8")
        # A slot that cannot be used harms no other one. The cheap ones first, and not all of hundreds.
        costs = []
        for slot, header in slots:
            try:
                costs.append((self._cost(slot, header), slot, header))
            except Damaged as e:
                self.troubles.append(str(e))
        work, replaced = 0, False
        for (n, r, p), slot, header in sorted(costs, key=lambda c: (c[0][0] * c[0][1] * c[0][2], c[1].name)):
            work += n * r * p
            if work > MAX_WORK:
                self.troubles.append("There are far more key slots than anybody needs; not all were tried.")
                break
            try:
                stretched = hashlib.scrypt(password, salt=bytes.fromhex(header["salt"]), n=n, r=r, p=p, dklen=32, maxmem=128 * r * (n + p + 2) + 65536)
                opened = slot.segment(0, stretched)
            except Damaged:
                continue
            except (ValueError, TypeError, MemoryError) as e:
                self.troubles.append(f"{slot.name} cannot be used: {e}")
                continue
            finally:
                slot.close()
            if header["repository"] == self.hash.hex():
                return opened[:32]
            replaced = True
        if replaced:
            raise Damaged("natalia.json is not the file that this repository was made with: somebody has replaced it. Put the first one back.")
        raise Trouble("The password is wrong: it opens none of the repository's key slots.")

    @staticmethod
    def _cost(slot, header):
        n, r, p = (header["n"], header["r"], header["p"]) if header["kdf"] == "scrypt" else (0, 0, 0)
        whole = all(type(v) is int for v in (n, r, p)) and n > 1 and n & (n - 1) == 0 and 1 <= r <= 64 and 1 <= p <= 16
        if not whole or 128 * n * r > MAX_SCRYPT_MEMORY or n * r * p > MAX_SCRYPT_WORK or not isinstance(header["salt"], str):
            raise Damaged(f"{slot.name} asks for a key derivation that no key slot needs.")
        return n, r, p

    # ---- objects
    def names(self, folder, of_folders=False):
        """The names of the objects in a folder, or of its folders, sorted. Names that begin with a dot are unfinished writes; others that no object
        can have (§2) are of other programs: Thumbs.db, @eaDir."""
        try:
            with os.scandir(self.folder / folder) as entries:
                return sorted(e.name for e in entries if re.fullmatch("[a-z0-9_-]([a-z0-9._-]*[a-z0-9_-])?", e.name) and e.is_dir() == of_folders)
        except FileNotFoundError:
            return []
        except OSError as e:
            raise Trouble(f"The folder '{self.folder / folder}' cannot be read: {e.strerror}.") from None

    def object(self, name, kind):
        """A small object, with its checksum checked."""
        envelope = Envelope(self.folder / name, name, kind)
        try:
            envelope.checksum = envelope.check()
        except Damaged:
            envelope.close()
            raise
        return envelope

    def _pack_names(self, appliance, area, sequence, run, pack):
        folder = f"appliances/{appliance}/{area}/{sequence:012d}-{run}"
        plain = f"{pack:08d}"
        if (self.folder / folder / plain).exists():
            yield f"{folder}/{plain}"
        revisions = [n for n in self.names(folder) if n.startswith(plain + ".r") and n[len(plain) + 2:].isdigit()]
        for name in sorted(revisions, key=lambda n: int(n[len(plain) + 2:]), reverse=True):
            yield f"{folder}/{name}"

    def _pack(self, name, area):
        if name in self._open:
            self._open.move_to_end(name)
            return self._open[name]
        pack = Envelope(self.folder / name, name, PACKS[area])
        self._open[name] = pack
        if len(self._open) > 32:
            self._open.popitem(last=False)[1].close()
        return pack

    def referred(self, appliance, area, sequence, run, pack, ordinal, wanted):
        """The plain bytes that a reference names, checked against its SHA-256. Every writing of the pack that is there is tried."""
        trouble = None
        for name in self._pack_names(appliance, area, sequence, run, pack):
            try:
                data = self._pack(name, area).segment(ordinal, self.secret)
                if sha256(data) == wanted:
                    return data
                trouble = Damaged(f"{name}: segment {ordinal} is not what the map refers to.")
            except Damaged as e:
                trouble = e
        raise trouble or Damaged(f"The pack {area}/{sequence:012d}-{run}/{pack:08d} of the appliance {appliance} is missing.")

    def json_reference(self, appliance, area, reference):
        return self.referred(appliance, area, reference["sequence"], reference["run"], reference["pack"], reference["ordinal"],
                             bytes.fromhex(reference["sha256"]))

    # ---- audit records (§9)
    def records(self, folder):
        """The records of one log that are whole and signed, in the order of their names."""
        found = []
        for name in self.names(f"{folder}log"):
            full = f"{folder}log/{name}"
            try:
                record = self.object(full, AUDIT_RECORD)
                try:
                    self.audit_key.verify(record.segment(0, None), b"natalia audit record 1\n" + record.header)
                except InvalidSignature:
                    raise Damaged(f"{full} is not signed with this repository's audit key.") from None
                finally:
                    record.close()
                body, parts = record.json(), name.split(".")
                if len(parts) != 4 or int(parts[0]) != body["number"] or parts[1] != body["event"] or int(parts[2]) != (body.get("sequence") or 0) \
                        or parts[3] != record.id.hex():
                    raise Damaged(f"{full}: the record is not the one that its name tells.")
                body.hash, body.name = sha256(record.header).hex(), full
                found.append(body)
            except (Damaged, ValueError) as e:
                self.troubles.append(str(e))
        return found

    # ---- points (§6)
    def appliances(self):
        return [n for n in self.names("appliances", of_folders=True) if re.fullmatch("[0-9a-f]{32}", n)]

    def points(self, appliance):
        """The complete points of an appliance, newest first, those that were removed but still lie there included."""
        points = {}
        for name in self.names(f"appliances/{appliance}/points"):
            sequence, _, run = name.partition("-")
            if len(sequence) == 12 and sequence.isdigit() and len(run) == 32:
                points[run] = Point(appliance, int(sequence), run)
        for record in self.records(f"appliances/{appliance}/"):
            point = points.get(record.get("point"))
            if point is not None:
                point.removed |= record["event"] == "point-removed"
                point.protected = {"point-protected": True, "point-unprotected": False}.get(record["event"], point.protected)
        for point in points.values():
            self._read_manifest(point)
        return sorted((p for p in points.values() if p.trouble or not p.header.get("incomplete")), key=lambda p: p.age, reverse=True)

    def _read_manifest(self, point):
        name = f"appliances/{point.appliance}/points/{point.file_name}"
        try:
            manifest = self.object(name, MANIFEST)
            header = manifest.json()
            if (header["appliance"], header["sequence"], header["run"]) != (point.appliance, point.sequence, point.run) \
                    or not isinstance(header["timeUtc"], str):
                raise Damaged(f"{name}: the manifest is not the one that its name tells.")
            point.header = header
            if not header.get("incomplete"):
                point.body = parse_json(manifest.segment(0, self.secret), f"The manifest {name}")
            manifest.close()
        except Damaged as e:
            point.trouble = str(e)
            self.troubles.append(point.trouble)

    def find(self, wanted, appliance_name):
        """The point that a user means: `latest`, or the first digits of a point's id."""
        points = [p for a in self.appliances() for p in self.points(a) if not p.trouble]
        if appliance_name:
            points = [p for p in points if appliance_name.lower() in (p.body["name"].lower(), p.appliance)]
            if not points:
                raise Trouble(f"The repository has no readable point of an appliance '{appliance_name}'. The command 'list' shows what it has.")
        if wanted.lower() == "latest":
            points = [p for p in points if not p.removed]
            if len({p.appliance for p in points}) > 1:
                raise Trouble("The repository holds more than one appliance: say which one with --appliance.")
            points = points[:1]
        else:
            points = [p for p in points if p.run.startswith(wanted.lower())]
        if not points:
            raise Trouble(f"The repository has no readable point '{wanted}'. The command 'list' shows what it has.")
        if len(points) > 1:
            raise Trouble(f"'{wanted}' means more than one point: give more digits of its id.")
        return points[0]

    # ---- the block map (§7)
    def blocks(self, point, disk, damaged):
        """The stored blocks of a disk in order, as (offset, bytes). `damaged(offset, length, error)` is told what cannot be read, and may raise."""
        size = disk["sizeBytes"]
        if disk["blockBytes"] != BLOCK:
            raise Trouble(f"The disk has blocks of {disk['blockBytes']} bytes; format 1 has 65536.")
        root = disk.get("root")
        if root is None:
            return
        first = (root["sequence"], root["run"], root["pack"], root["ordinal"], bytes.fromhex(root["sha256"]))
        todo = [(disk["level"], 0, first)]
        while todo:
            level, number, reference = todo.pop()
            covered = BLOCK * FANOUT ** (level + 1) if level >= 0 else BLOCK
            offset = number * covered
            try:
                if offset >= size:
                    raise Damaged(f"The map of the disk '{disk['id']}' reaches behind the disk's end.")
                data = self.referred(point.appliance, "data" if level < 0 else "meta", *reference)
                if level < 0:
                    if len(data) != min(BLOCK, size - offset):
                        raise Damaged(f"The block at {offset} of the disk '{disk['id']}' has not the length of a block.")
                else:
                    children = self._node(data, level, number)
            except Damaged as e:
                damaged(offset, max(0, min(covered, size - offset)), e)
                continue
            if level < 0:
                yield offset, data
            else:
                todo.extend(reversed(children))

    def attachments(self, point):
        """The attachments of a point (§6), each as (name, its entry)."""
        entries, names, total = point.body.get("attachments") or [], set(), 0
        for entry in entries:
            name, size = entry["name"], entry["sizeBytes"]
            total += size
            # A name becomes a file's, so that nothing but a plain one is taken.
            if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?", name) or name.lower() in names or size < 0 or total > MAX_ATTACHMENTS \
                    or len(entry["parts"]) != -(-size // ATTACHMENT_PART):
                raise Damaged(f"The point {point.run} has impossible attachments.")
            names.add(name.lower())
            yield name, entry

    def attachment(self, point, name, entry):
        data = b""
        for number, part in enumerate(entry["parts"]):
            try:
                piece = self.referred(point.appliance, "meta", part["sequence"], part["run"], part["pack"], part["ordinal"], bytes.fromhex(part["sha256"]))
            except Damaged as e:
                raise Damaged(f"The attachment '{name}' of the point {point.run} cannot be read: {e}")
            if len(piece) != min(ATTACHMENT_PART, entry["sizeBytes"] - number * ATTACHMENT_PART):
                raise Damaged(f"The attachment '{name}' of the point {point.run} has a part of a wrong length.")
            data += piece
        return data

    @staticmethod
    def _node(data, level, number):
        node = Bytes(data, f"The node {number} of level {level}")
        version, node_level, count, runs = node.take(4)
        if version != 1 or node_level != level or count > FANOUT:
            raise Damaged(f"{node.what} is not one of format 1.")
        table = []
        for _ in range(runs):
            sequence, run = struct.unpack("<Q16s", node.take(24))
            table.append((sequence, run.hex()))
        children, last = [], -1
        for _ in range(count):
            slot, index, pack, ordinal = node.take(1)[0], node.varint(), node.varint(), node.varint()
            if level > 0:
                node.varint()
            wanted = node.take(32)
            if slot <= last or slot >= FANOUT or index >= len(table):
                raise Damaged(f"{node.what} has a damaged entry.")
            children.append((level - 1, number * FANOUT + slot, (*table[index], pack, ordinal, wanted)))
            last = slot
        if node.at != len(data):
            raise Damaged(f"{node.what} has bytes behind its end.")
        return children


# ---- commands
def gigabytes(size):
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def list_points(repository, arguments):
    found = [(a, repository.points(a)) for a in repository.appliances()]
    if arguments.json:
        rows = [{"appliance": p.appliance, "name": p.body["name"], "point": p.run, "sequence": p.sequence, "timeUtc": p.header["timeUtc"], "type": p.body["type"],
                 "consistency": p.body["consistency"], "removed": p.removed, "protected": p.protected,
                 "disks": [{"id": d["id"], "role": d.get("role", "Unknown"), "sizeBytes": d["sizeBytes"]} for d in p.body["disks"]],
                 "attachments": [{"name": a["name"], "kind": a["kind"], "sizeBytes": a["sizeBytes"]} for a in p.body.get("attachments") or []]}
                for _, points in found for p in points if not p.trouble and (arguments.removed or not p.removed)]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for appliance, points in found:
        readable = [p for p in points if not p.trouble]
        shown = [p for p in readable if arguments.removed or not p.removed]
        print(f"{readable[0].body['name'] if readable else '(no readable point)'}  appliance {appliance}  {len(shown)} points")
        for p in shown:
            notes = [n for n, on in (("protected", p.protected), ("removed", p.removed)) if on]
            disks = "; ".join(f"{d['id']} ({d.get('role', 'Unknown')}, {gigabytes(d['sizeBytes'])})" for d in p.body["disks"])
            print(f"  {p.header['timeUtc'][:19]}Z  {p.run}  {p.body['type']:<11}  {p.body['consistency']:<11}  {disks}{'  [' + ', '.join(notes) + ']' if notes else ''}")
    if not found:
        print("The repository holds no appliance.")


def restore(repository, arguments):
    point = repository.find(arguments.point, arguments.appliance)
    disk = point.disk(arguments.disk)
    if point.removed:
        print(f"warning: The point {point.run} was removed; parts of it may be gone already.", file=sys.stderr)
    output, unfinished = Path(arguments.output), Path(arguments.output + ".unfinished")
    if output.exists():
        raise Trouble(f"'{output}' is there already, and is not overwritten.")
    lost = []

    def damaged(offset, length, error):
        if not arguments.keep_going:
            raise Damaged(f"{error} The disk '{disk['id']}' cannot be restored whole at offset {offset}. "
                          "Take another point; or write zeros where data is lost, with --keep-going.")
        lost.append((offset, length))
        print(f"lost: offset {offset}, {length} bytes: {error}", file=sys.stderr)

    written = 0
    with open(unfinished, "wb") as file:
        file.truncate(disk["sizeBytes"])
        for offset, data in repository.blocks(point, disk, damaged):
            file.seek(offset)
            file.write(data)
            written += len(data)
            if sys.stderr.isatty():
                print(f"\r{gigabytes(offset + len(data))} of {gigabytes(disk['sizeBytes'])}   ", end="", file=sys.stderr)
        file.flush()
        os.fsync(file.fileno())
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if output.exists():
        raise Trouble(f"'{output}' has been made meanwhile, and is not overwritten. The restored disk is '{unfinished}'.")
    os.rename(unfinished, output)
    print(f"{output}: disk '{disk['id']}' of {point.body['name']} as of {point.header['timeUtc']}, {disk['sizeBytes']} bytes, {written} of them from the repository, each block verified.")
    if lost:
        raise Damaged(f"{sum(length for _, length in lost)} bytes in {len(lost)} places of the disk are lost, and are zeros in '{output}'.")


def configuration(repository, arguments):
    point = repository.find(arguments.point, arguments.appliance)
    if "configuration" not in point.body:
        raise Trouble(f"The point {point.run} holds no configuration.")
    data = parse_json(repository.json_reference(point.appliance, "meta", point.body["configuration"]), "The configuration")
    print(json.dumps(data, indent=2, ensure_ascii=False))


def attachments(repository, arguments):
    point = repository.find(arguments.point, arguments.appliance)
    folder = Path(arguments.folder)
    if not folder.is_dir():
        raise Trouble(f"There is no folder '{folder}'.")
    found = list(repository.attachments(point))
    for name, _ in found:
        if os.path.lexists(folder / name):
            raise Trouble(f"'{folder / name}' is there already, and is not overwritten.")
    for name, entry in found:
        data = repository.attachment(point, name, entry)
        # For this user alone: the state of a TPM holds keys.
        with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        print(f"{folder / name}: {entry['kind']} of {point.body['name']} as of {point.header['timeUtc']}, {len(data)} bytes.")
    if not found:
        print(f"The point {point.run} has no attachments.")


def check(repository, arguments):
    """Every object's checksum and every signature, without a password; with --data every block of every point, which needs it."""
    kinds = {"data": DATA_PACK, "meta": META_PACK, "delta": DELTA, "points": MANIFEST, "leases": LEASE, "readers": LEASE, "catalog": CATALOG}
    objects = 0

    def look(name, kind):
        nonlocal objects
        try:
            repository.object(name, kind).close()
            objects += 1
        except Damaged as e:
            repository.troubles.append(str(e))

    def linked(folder):
        """Whether everything that records name is there: a gap means that records were taken away."""
        records = repository.records(folder)
        known = {r.hash for r in records}
        for r in records:
            for head in r.get("heads") or []:
                if head not in known:
                    repository.troubles.append(f"{r.name} names the audit record {head}, which is missing or damaged.")
        return known

    for name in repository.names("keys"):
        look(f"keys/{name}", KEY_SLOT)
    known = linked("")
    for appliance in repository.appliances():
        folder = f"appliances/{appliance}/"
        for part, kind in kinds.items():
            for name in repository.names(folder + part, of_folders=part in ("data", "meta")):
                if part in ("data", "meta"):
                    for pack in repository.names(f"{folder}{part}/{name}"):
                        look(f"{folder}{part}/{name}/{pack}", kind)
                else:
                    look(f"{folder}{part}/{name}", kind)
        known |= linked(folder)
        for name in repository.names(folder + "points"):
            try:
                manifest = repository.object(f"{folder}points/{name}", MANIFEST)
                manifest.close()
                for head in manifest.json().get("logHeads") or []:
                    if head not in known:
                        repository.troubles.append(f"{manifest.name} names the audit record {head}, which is missing or damaged: records were cut off.")
            except Damaged:
                continue
    print(f"{objects} objects are whole; {len(known)} audit records are signed by this repository.")
    if arguments.data:
        for appliance in repository.appliances():
            for point in repository.points(appliance):
                if point.trouble or point.removed:
                    continue
                try:
                    for name, entry in repository.attachments(point):
                        repository.attachment(point, name, entry)
                except Damaged as e:
                    repository.troubles.append(str(e))
                for disk in point.body["disks"]:
                    bad = []
                    blocks = sum(1 for _ in repository.blocks(point, disk, lambda offset, length, e: bad.append((offset, length, e))))
                    for offset, length, e in bad:
                        repository.troubles.append(f"Point {point.run}, disk '{disk['id']}', offset {offset}, {length} bytes: {e}")
                    print(f"{point.body['name']} {point.header['timeUtc'][:19]}Z {point.run} disk '{disk['id']}': {blocks} blocks read, {len(bad)} places damaged.")


def password_from(arguments):
    def ask():
        if arguments.password_stdin:
            text = sys.stdin.readline().rstrip("\r\n")
        elif arguments.password_env in os.environ:
            text = os.environ[arguments.password_env]
        else:
            text = getpass.getpass("Password of the repository: ")
        if not text:
            raise Trouble("No password was given.")
        return text
    return ask


def main():
    parser = argparse.ArgumentParser(description="Reads a Natalia.Backup repository in a folder without Natalia.Backup. The repository is never changed.",
                                     epilog="The password is taken from the environment variable NATALIA_PASSWORD, else asked for. Exit codes: 0 all well, 1 damage was found, 2 it could not be done.")
    source = argparse.ArgumentParser(add_help=False)
    source.add_argument("repository", help="the repository's folder: the one that holds natalia.json")
    source.add_argument("--password-env", default="NATALIA_PASSWORD", metavar="NAME", help="the environment variable that holds the password (NATALIA_PASSWORD)")
    source.add_argument("--password-stdin", action="store_true", help="read the password from the first line of standard input")
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("point", help="the first digits of a point's id, or 'latest'")
    which.add_argument("--appliance", metavar="NAME", help="the appliance's name or id, where the repository holds several")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("list", parents=[source], help="list the restore points, newest first")
    one.add_argument("--removed", action="store_true", help="also points that were removed but still lie there")
    one.add_argument("--json", action="store_true", help="as JSON")
    one.set_defaults(run=list_points)
    one = commands.add_parser("restore", parents=[source, which], help="restore a disk to a sparse raw file")
    one.add_argument("disk", help="the disk's id as 'list' shows it, or its role: Data, System")
    one.add_argument("output", help="the raw file to make; it must not exist")
    one.add_argument("--keep-going", action="store_true", help="write zeros where data is lost, and say where")
    one.set_defaults(run=restore)
    one = commands.add_parser("configuration", parents=[source, which], help="print the appliance's configuration as JSON")
    one.set_defaults(run=configuration)
    one = commands.add_parser("attachments", parents=[source, which], help="write what the point holds besides disks, such as UEFI variables, into a folder")
    one.add_argument("folder", help="a folder that is there")
    one.set_defaults(run=attachments)
    one = commands.add_parser("check", parents=[source], help="check every object and every signature; needs no password without --data")
    one.add_argument("--data", action="store_true", help="also read, decrypt and verify every block of every point")
    one.set_defaults(run=check)
    arguments = parser.parse_args()
    try:
        repository = Repository(arguments.repository, password_from(arguments))
        arguments.run(repository, arguments)
    except Damaged as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    except (Trouble, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, EOFError):
        print("error: Stopped.", file=sys.stderr)
        return 2
    for trouble in dict.fromkeys(repository.troubles):
        print(f"damaged: {trouble}", file=sys.stderr)
    return 1 if repository.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
