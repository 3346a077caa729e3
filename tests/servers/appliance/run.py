#!/usr/bin/env python3
"""run.py FOLDER [options] [-- COMMAND [ARGUMENT...] [-- COMMAND...]...]

Starts the appliance that make.sh made, without any network and without changing its images, waits for the guest agent, runs the
commands in the guest through it, prints what they say, and powers the VM off. Without commands: the three of a restore test.
Ends with the exit code of the first command that failed."""
import argparse, base64, json, os, signal, socket, subprocess, sys, tempfile, time


def parse():
    arguments, commands = sys.argv[1:], []
    if "--" in arguments:
        at = arguments.index("--")
        rest, arguments = arguments[at + 1:], arguments[:at]
        while rest:
            end = rest.index("--") if "--" in rest else len(rest)
            commands.append(rest[:end])
            rest = rest[end + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--uefi", action="store_true", help="start by UEFI firmware instead of BIOS")
    parser.add_argument("--bus", choices=["virtio", "sata", "scsi"], default="virtio")
    parser.add_argument("--test", action="store_true", help="mark the start as a restore test")
    parser.add_argument("--smbios", action="store_true", help="the same by an OEM string")
    parser.add_argument("--write", action="store_true", help="let the guest change its images")
    parser.add_argument("--data", help="another image as data disk")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for the start, and for each command")
    return parser.parse_args(arguments), [c for c in commands if c]


class Agent:
    """The guest agent's channel: one JSON object a line each way."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.rest = b""

    def line(self, deadline):
        while b"\n" not in self.rest:
            self.socket.settimeout(max(0.01, deadline - time.monotonic()))
            more = self.socket.recv(65536)
            if not more:
                raise SystemExit("The VM has ended.")
            self.rest += more
        line, _, self.rest = self.rest.partition(b"\n")
        return json.loads(line.lstrip(b"\xff") or b"{}")

    def ask(self, what, timeout=30, **arguments):
        self.socket.sendall(json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n")
        answer = self.line(time.monotonic() + timeout)
        if "error" in answer:
            raise SystemExit(f"{what}: {answer['error']['desc']}")
        return answer["return"]

    def wait(self, timeout):
        """Until the agent answers: it takes what was sent before it was there, so each try has a number of its own."""
        deadline, number = time.monotonic() + timeout, 0
        while time.monotonic() < deadline:
            number += 1
            self.socket.sendall(b"\xff" + json.dumps({"execute": "guest-sync", "arguments": {"id": number}}).encode() + b"\n")
            try:
                while self.line(min(deadline, time.monotonic() + 2)).get("return") != number:
                    pass
                return
            except (TimeoutError, socket.timeout):
                continue
        raise SystemExit(f"The guest agent does not answer within {timeout:.0f} seconds.")

    def run(self, command, timeout):
        pid = self.ask("guest-exec", path=command[0], arg=command[1:], **{"capture-output": True})["pid"]
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            state = self.ask("guest-exec-status", pid=pid)
            if state["exited"]:
                texts = (base64.b64decode(state.get(k, "")).decode(errors="replace") for k in ("out-data", "err-data"))
                return state.get("exitcode", 128 + state.get("signal", 0)), *texts
            time.sleep(0.3)
        raise SystemExit(f"{' '.join(command)} has not ended within {timeout:.0f} seconds.")


def main():
    options, commands = parse()
    with open(os.path.join(options.folder, "vm.json")) as file:
        vm = json.load(file)
    if not commands:
        day = time.gmtime(time.time() - 86400)
        while day.tm_wday > 4:
            day = time.gmtime(time.mktime(day) - 86400 - time.timezone)
        cli = "/usr/local/bin/natalia-cli"
        commands = [[cli, "check-integrity"], [cli, "audit", "verify"], [cli, "cdr", "count", "--day", time.strftime("%F", day)]]
    snapshot = "off" if options.write else "on"
    with tempfile.TemporaryDirectory() as work:
        line = ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024", "-smp", "2",
                "-nodefaults", "-display", "none", "-nic", "none", "-serial", f"file:{work}/console",
                "-device", "virtio-rng-pci", "-device", "virtio-serial-pci", "-device", "ahci,id=ahci", "-device", "virtio-scsi-pci,id=scsi",
                "-chardev", f"socket,id=agent,path={work}/agent,server=on,wait=off", "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
        devices = {"virtio": "virtio-blk-pci", "sata": "ide-hd,bus=ahci.{}", "scsi": "scsi-hd,bus=scsi.0"}
        for number, disk in enumerate(vm["disks"]):
            path = options.data if options.data and disk["role"] == "Data" else os.path.join(options.folder, disk["path"])
            line += ["-drive", f"if=none,id=d{number},format=raw,file={path},snapshot={snapshot}",
                     "-device", devices[options.bus].format(number) + f",drive=d{number}" + (",bootindex=1" if disk["role"] == "System" else "")]
        if options.uefi:
            with open("/usr/share/OVMF/OVMF_VARS_4M.fd", "rb") as empty, open(f"{work}/vars", "wb") as own:
                own.write(empty.read())
            line += ["-drive", "if=pflash,format=raw,readonly=on,file=/usr/share/OVMF/OVMF_CODE_4M.fd", "-drive", f"if=pflash,format=raw,file={work}/vars"]
        if options.test:
            line += ["-fw_cfg", "name=opt/org.natalia/restore-test,string=run.py"]
        if options.smbios:
            line += ["-smbios", "type=11,value=natalia-restore-test=run.py"]
        started = time.monotonic()
        process = subprocess.Popen(line, stdin=subprocess.DEVNULL)
        result = 0
        try:
            while not os.path.exists(f"{work}/agent"):
                if process.poll() is not None:
                    raise SystemExit("QEMU has ended.")
                time.sleep(0.05)
            agent = Agent(f"{work}/agent")
            agent.wait(options.timeout)
            print(f"The guest answers after {time.monotonic() - started:.1f} seconds.", flush=True)
            for command in commands:
                started = time.monotonic()
                code, out, err = agent.run(command, options.timeout)
                print(f"$ {' '.join(command)}\n{out}{err}[exit code {code}, {time.monotonic() - started:.1f} seconds]", flush=True)
                result = result or code
            if options.write:
                agent.socket.sendall(b'{"execute": "guest-shutdown"}\n')
                process.wait(60)
        except SystemExit:
            with open(f"{work}/console", errors="replace") as console:
                sys.stderr.write("".join(console.readlines()[-20:]))
            raise
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
        return result


sys.exit(main())
