using System.Text.Json;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox.Backups;
using Natalia.Backup.Hypervisors.Proxmox.Cluster;
using Natalia.Backup.Hypervisors.Proxmox.Jobs;
using Natalia.Backup.Hypervisors.Proxmox.Notes;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class ValueTests
{
    [Theory]
    [InlineData("tank:vm-100-disk-0,discard=on,iothread=1,size=32G,unheard-of=a=b")]
    [InlineData("virtio=BC:24:11:12:34:56,bridge=vmbr0,firewall=1,tag=20")]
    [InlineData("/dev/disk/by-id/ata-x=y,size=1T")]
    [InlineData("file=tank:vm-100-disk-0,backup=0")]
    [InlineData("1")]
    [InlineData("")]
    public void A_property_string_is_written_as_it_was_read(string text) =>
        Assert.Equal(text, PropertyString.Parse(text).ToString());

    [Fact]
    public void One_key_of_a_property_string_changes_in_its_place()
    {
        PropertyString drive = PropertyString.Parse("tank:vm-1-disk-0,backup=1,foo=bar,size=32G");
        Assert.Equal("tank:vm-1-disk-0,backup=0,foo=bar,size=32G", drive.With("backup", "0").ToString());
        Assert.Equal("tank:vm-1-disk-0,foo=bar,size=32G", drive.Without("backup").ToString());
        Assert.Equal("tank:vm-1-disk-0", drive.Bare);
    }

    [Theory]
    [InlineData("UPID:pve1:000003E9:00001B5F:6743C1C0:vzdump:100:root@pam:", "pve1", "vzdump", "100", "root@pam")]
    [InlineData("UPID:pve1:000003E9:00001B5F:6743C1C0:vzdump::backup@pve!natalia:", "pve1", "vzdump", "",
        "backup@pve!natalia")]
    [InlineData("UPID:pbs:000003E9:00001B5F:0000ABCD:6743C1C0:verify:store\\x3ans:root@pam:", "pbs", "verify",
        "store\\x3ans", "root@pam")]
    public void A_task_name_is_read(string text, string node, string type, string id, string user)
    {
        Assert.True(Upid.TryParse(text, out Upid upid));
        Assert.Equal((node, type, id, user, DateTimeOffset.FromUnixTimeSeconds(0x6743C1C0).UtcDateTime),
            (upid.Node, upid.Type, upid.Id, upid.User, upid.StartUtc));
    }

    [Theory]
    [InlineData("OK")]
    [InlineData(null)]
    [InlineData("UPID:pve1:xyz:0:0:vzdump:100:root@pam:")]
    [InlineData("UPID:pve1:000003E9:00001B5F:6743C1C0:vzdump:100:root@pam")]
    public void Anything_else_is_no_task(string? text) => Assert.False(Upid.TryParse(text, out _));

    [Theory]
    [InlineData("OK", TaskState.Ok, 0)]
    [InlineData("WARNINGS: 3", TaskState.Warnings, 3)]
    [InlineData("job errors", TaskState.Failed, 0)]
    [InlineData("unexpected status", TaskState.Lost, 0)]
    [InlineData(null, TaskState.Lost, 0)]
    internal void The_last_word_of_a_task_is_told_apart(string? word, TaskState state, int warnings) =>
        Assert.Equal((state, warnings), TaskOutcome.ReadExitStatus(word));

    [Fact]
    public void Numbers_and_Booleans_are_read_in_every_shape()
    {
        JsonElement odd =
            JsonDocument.Parse(
                """{"a":1,"b":"1","c":true,"d":"12.5","e":null,"f":12.5,"g":"x","h":[1],"i":"","j":1e3,"k":" 7 "}""").RootElement;
        Assert.Equal([1, 1, 1, 12, null, 12, null, null, null, 1000, 7, null],
            new[] { "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "missing" }.Select(n => odd.Long(n)));
        Assert.Equal([true, true, true, null], new[] { "a", "b", "c", "g" }.Select(n => odd.Flag(n)));
        Assert.Equal(["1", "1", "1", "12.5", null], new[] { "a", "b", "c", "d", "e" }.Select(n => odd.Text(n)));
        Assert.Null(JsonDocument.Parse("[]").RootElement.Text("a"));
    }

    [Fact]
    public void A_path_encodes_every_value_as_one_segment()
    {
        ApiPath path =
            ApiPath.Of($"/nodes/{"pve1"}/storage/{"pbs"}/content/{"pbs:backup/vm/100/2026-11-23T12:00:00Z"}");
        Assert.Equal("/nodes/pve1/storage/pbs/content/pbs%3Abackup%2Fvm%2F100%2F2026-11-23T12%3A00%3A00Z",
            path.Encoded);
        Assert.Equal("%21%2A%27%28%29%40%3A%2F%C3%A9~._-", PercentEncoding.Encode("!*'()@:/é~._-"));
        Assert.Throws<ArgumentException>(() => ApiPath.Of($"/nodes/{".."}/config"));
        Assert.Throws<ArgumentException>(() => ApiPath.Of($"/nodes/{""}/config"));
    }

    [Fact]
    public void Arguments_are_encoded_in_the_servers_form_and_shown_without_values()
    {
        var arguments =
            new ApiArguments { { "command", ["cmd.exe",
                "/c a&b"] }, { "yes", true }, { "no", false }, { "n", 5L }, { "rate", 1.5 },
                { "left-out", (string?)null } };
        Assert.Equal("command=cmd.exe&command=%2Fc%20a%26b&yes=1&no=0&n=5&rate=1.5", arguments.Encode());
        Assert.Equal("command, yes, no, n, rate", arguments.ToString());
    }

    [Theory]
    [InlineData("order=scsi0;net0", null, "scsi0")]
    [InlineData("order=net0;virtio1;scsi0", null, "virtio1")]
    [InlineData("order=net0", null, null)]
    [InlineData("cdn", "virtio1", "virtio1")]
    [InlineData(null, null, "scsi0")]
    public void The_boot_drive_is_found(string? boot, string? bootdisk, string? expected)
    {
        string text = (boot is null ? "" : $"boot: {boot}\n") + (bootdisk is null ? "" : $"bootdisk: {bootdisk}\n")
            + "ide2: none,media=cdrom\nefidisk0: tank:vm-1-disk-9,size=4M\nscsi0: tank:vm-1-disk-0,size=1G\nvirtio1: "
            + "tank:vm-1-disk-1,size=1G\n";
        Assert.Equal(expected, GuestConfig.FromText(text).BootDrive);
    }

    [Fact]
    public void Without_a_boot_order_the_server_tries_ide_scsi_virtio_and_sata_in_the_order_of_their_numbers()
    {
        string[] drives = ["ide2", "ide10", "scsi2", "scsi10", "virtio0", "sata0"];
        for (int skip = 0; skip < drives.Length; skip++)
        {
            string[] left = drives[skip..];
            foreach (IEnumerable<string> order in new[] { left, left.Reverse(), left.Order(StringComparer.Ordinal) })
            {
                GuestConfig config =
                    GuestConfig.FromText(
                        "ide0: none,media=cdrom\nide1: tank:vm-1-cloudinit,media=cdrom\nefidisk0: tank:e,size=4M\n"
                        + string.Concat(order.Select(d => $"{d}: tank:{d},size=1G\n")));
                Assert.Equal(left[0], config.BootDrive);
                Assert.Equal(left, config.Disks.Select(d => d.Key));
            }
        }
    }

    [Fact]
    public void A_configuration_is_the_same_text_in_whatever_order_it_comes()
    {
        string[] lines = ["name: n", "net0: virtio=BC:24:11:12:34:56,bridge=a",
            "net2: virtio=BC:24:11:12:34:57,bridge=b", "net10: virtio=BC:24:11:12:34:58,bridge=c", "scsi0: tank:a",
            "cores: 4"];
        GuestConfig[] both = [GuestConfig.FromText(string.Join('\n', lines)),
            GuestConfig.FromText(string.Join('\n', lines.Reverse()))];
        Assert.Equal(both[0].ToText(), both[1].ToText());
        Assert.All(both, c => Assert.Equal(["net0", "net2", "net10"], c.Networks.Select(n => n.Key)));
    }

    [Theory]
    [InlineData("1", true, true)]
    [InlineData("enabled=1,fstrim_cloned_disks=1", true, true)]
    [InlineData("1,freeze-fs-on-backup=0", true, false)]
    [InlineData("enabled=1,freeze-fs=0", true, false)]
    [InlineData("type=virtio,enabled=1,guest-fsfreeze=0", true, false)]
    [InlineData("0", false, true)]
    [InlineData(null, false, true)]
    public void The_agent_option_is_read_in_all_its_spellings(string? agent, bool enabled, bool freeze)
    {
        GuestConfig config = GuestConfig.FromText(agent is null ? "" : $"agent: {agent}\n");
        Assert.Equal((enabled, freeze), (config.IsAgentEnabled, config.IsFreezeAllowed));
    }

    [Fact]
    public void An_archived_configuration_ends_before_its_snapshots()
    {
        GuestConfig config = GuestConfig.FromText("#First line%3A "
            + "yes\n#second\n#qmdump#map:scsi0:drive-scsi0:tank:raw:\nname: n\nscsi0: "
            + "tank:a,size=1G\n\n[before-update]\nscsi1: tank:b,size=1G\n");
        Assert.Equal(["scsi0"], config.Disks.Select(d => d.Key));
        Assert.Equal("First line: yes\nsecond\n", config.Description);
    }

    [Fact]
    public void The_log_of_a_backup_is_read()
    {
        var log = new BackupLog();
        foreach (string line in """
            INFO: status = running
            INFO: include disk 'scsi0' 'tank:vm-100-disk-0' 32G
            INFO: exclude disk 'scsi2' 'tank:vm-100-disk-2' (backup=no)
            INFO: creating Proxmox Backup Server archive 'vm/100/2026-11-23T12:00:01Z'
            INFO: issuing guest-agent 'fs-freeze' command
            INFO: issuing guest-agent 'fs-thaw' command
            INFO: scsi0: dirty-bitmap status: OK (628.0 MiB of 32.0 GiB dirty)
            INFO: using fast incremental mode (dirty-bitmap), 628.0 MiB dirty of 32.0 GiB total
            INFO:  50% (314.0 MiB of 628.0 MiB) in 3s, read: 104.7 MiB/s, write: 104.7 MiB/s
            INFO: Finished Backup of VM 100 (00:00:06)
            """.Split('\n')) log.Read(line.Trim());
        Assert.Equal("vm/100/2026-11-23T12:00:01Z", log.Archive);
        Assert.Equal(628L << 20, log.Disks.Single(d => d.DiskId == "scsi0").DirtyBytes);
        Assert.False(log.Disks.Single(d => d.DiskId == "scsi2").IsIncluded);
        Assert.Equal((314L << 20, (long?)628L << 20), (log.DoneBytes, log.TotalBytes));
        Assert.Equal(Consistency.FileSystem, log.Freeze.Conclude(true, true).Consistency);
        Assert.True(log.IsFinished);
    }

    [Theory]
    [InlineData("INFO: issuing guest-agent 'fs-freeze' command|ERROR: VM 100 qmp command 'guest-fsfreeze-freeze' "
        + "failed - got timeout|INFO: issuing guest-agent 'fs-thaw' command",
        "got timeout")]
    [InlineData("INFO: issuing guest-agent 'fs-freeze' command|ERROR: unable to freeze guest fs - busy|INFO: issuing "
        + "guest-agent 'fs-thaw' command",
        "busy")]
    [InlineData("INFO: issuing guest-agent 'fs-freeze' command|ERROR: querying status after freezing guest fs failed "
        + "- timeout after 60 minutes",
        "after 60 minutes")]
    [InlineData("INFO: issuing guest-agent 'fs-freeze' command|ERROR: something new|INFO: issuing guest-agent "
        + "'fs-thaw' command",
        "something new")]
    [InlineData("INFO: issuing guest-agent 'fs-freeze' command|INFO: issuing guest-agent 'fs-thaw' command|ERROR: VM "
        + "100 qmp command 'guest-fsfreeze-thaw' failed - got timeout",
        "did not thaw")]
    [InlineData("INFO: issuing guest-agent 'fs-freeze' command|INFO: issuing guest-agent 'fs-thaw' command|ERROR: "
        + "Agent error: the VSS provider is gone",
        "did not thaw")]
    [InlineData("WARN: unable to check guest fs freeze status - got timeout|INFO: issuing guest-agent 'fs-freeze' "
        + "command|INFO: issuing guest-agent 'fs-thaw' command",
        "got timeout")]
    [InlineData("INFO: skipping guest-agent 'fs-freeze', agent configured but not running?", "not running")]
    [InlineData("INFO: skipping guest filesystem freeze - disabled in VM options", "disabled")]
    [InlineData("INFO: skipping guest filesystem freeze - already frozen", "already frozen")]
    [InlineData("INFO: started backup task", "not enabled")]
    public void A_freeze_that_did_not_happen_is_crash_consistency_with_the_reason(string lines, string reason)
    {
        (Consistency consistency, string? why) = Read(lines).Conclude(true, true);
        Assert.Equal(Consistency.Crash, consistency);
        Assert.Contains(reason, why);
    }

    [Theory]
    [InlineData("guest-fsfreeze-freeze problems - VM 100 qmp command failed", "problems")]
    [InlineData("unable to freeze guest fs - busy", "busy")]
    [InlineData("ERROR: unable to freeze guest fs - busy", "busy")]
    [InlineData("still waiting on guest fs freeze - timeout in 50 minutes|querying status after freezing guest fs "
        + "failed - timeout after 60 minutes",
        "after 60 minutes")]
    [InlineData("skipping guest filesystem freeze - agent configured but not running?", "not running")]
    [InlineData("guest-fsfreeze-thaw problems - got timeout", "did not thaw")]
    [InlineData("the guest would not freeze, in words of 2031", "2031")]
    public void A_snapshots_log_tells_of_a_freeze_only_when_it_fails(string lines, string reason)
    {
        (Consistency consistency, string? why) = Read(lines).ConcludeSilent(null, true);
        Assert.Equal(Consistency.Crash, consistency);
        Assert.Contains(reason, why);
    }

    [Theory]
    [InlineData("snapshotting 'drive-scsi0' (guest-freezer:vm-100-disk-0)")]
    [InlineData("still waiting on guest fs freeze - timeout in 60 minutes")]
    [InlineData("INFO: VM Name: guest-that-freezes|INFO: include disk 'scsi0' 'guest-freezer:vm-100-disk-0' 32G|INFO: "
        + "creating vzdump archive '/mnt/guest-freezer/dump/vzdump-qemu-100-2026_11_29-01_00_00.vma.zst'")]
    public void What_people_called_their_vms_and_storages_is_no_word_about_a_freeze(string lines) =>
        Assert.Equal((Consistency.FileSystem, null), Read(lines).ConcludeSilent(null, true));

    [Fact]
    public void A_log_that_was_not_read_whole_proves_no_freeze()
    {
        Assert.Equal(Consistency.Crash, Read("").ConcludeSilent(null, false).Consistency);
        Assert.Equal(Consistency.Crash,
            Read("INFO: issuing guest-agent 'fs-freeze' command").Conclude(true, false).Consistency);
    }

    private static FreezeEvidence Read(string lines)
    {
        var freeze = new FreezeEvidence();
        foreach (string line in lines.Split('|')) freeze.Read(line);
        return freeze;
    }

    [Fact]
    public void Notes_keep_what_was_reached()
    {
        var notes = new PointNotes("abc123", true, Consistency.FileSystem, BackupType.Incremental,
            RequestedBackupType.Auto);
        Assert.Equal(notes, PointNotes.Parse("natalia-01 " + notes));
        Assert.Equal("natalia-01", PointNotes.HumanPart("natalia-01 " + notes));
        Assert.Equal(Consistency.Unknown,
            PointNotes.Parse(PointNotes.Template("abc123", false, RequestedBackupType.Full))!.Consistency);
        Assert.Null(PointNotes.Parse("before the update"));
    }

    [Fact]
    public void Marks_in_a_vms_notes_come_and_go_without_touching_the_rest()
    {
        var mark = new LeftOutMark(["scsi0", "scsi2"], "run1", new DateTime(2026, 11, 23, 12, 0, 0, DateTimeKind.Utc));
        string marked = mark.AddTo("Owner: ops\nDo not move\n");
        Assert.Equal(mark.Disks, LeftOutMark.Parse(marked)!.Disks);
        Assert.Equal("Owner: ops\nDo not move", LeftOutMark.RemoveFrom(marked).TrimEnd('\n'));
        Assert.Equal("", LeftOutMark.RemoveFrom(mark.AddTo("")));
        string retained = RetentionMark.AddTo(marked, "100", "pbs", new RetentionLimits(Daily: 7, Weekly: 4));
        Assert.Equal(new RetentionLimits(Daily: 7, Weekly: 4), RetentionMark.Parse(retained, "100", "pbs"));
        Assert.NotNull(LeftOutMark.Parse(retained));
    }

    [Fact]
    public void A_retention_in_a_vms_notes_is_of_one_storage_and_not_of_the_vms_copies()
    {
        string notes = RetentionMark.AddTo(
            RetentionMark.AddTo("Owner: ops", "100", "pbs", new RetentionLimits(Daily: 7)), "100", "pbs-data",
            new RetentionLimits());
        Assert.Equal(new RetentionLimits(Daily: 7), RetentionMark.Parse(notes, "100", "pbs"));
        Assert.Equal(new RetentionLimits(), RetentionMark.Parse(notes, "100", "pbs-data"));
        Assert.Null(RetentionMark.Parse(notes, "100", "nas"));
        Assert.Null(RetentionMark.Parse(notes, "101", "pbs"));
        Assert.False(RetentionMark.IsDamaged(notes, "101", "pbs"));
        notes = RetentionMark.AddTo(notes, "100", "pbs", new RetentionLimits(Last: 3));
        Assert.Equal(new RetentionLimits(Last: 3), RetentionMark.Parse(notes, "100", "pbs"));
        Assert.Equal("Owner: ops",
            RetentionMark.RemoveFrom(RetentionMark.RemoveFrom(notes, "100", "pbs"), "100", "pbs-data"));
    }

    [Theory]
    [InlineData("[natalia-backup retention=keep-last=1]")]
    [InlineData("[natalia-backup retention=100 storage=pbs keeps=keep-dayly=7]")]
    [InlineData("[natalia-backup retention=100 storage=pbs keeps=keep-daily=7")]
    [InlineData("[natalia-backup retention=100 keeps=keep-daily=7]")]
    public void A_retention_that_somebody_wrote_into_is_damaged_and_not_none(string line)
    {
        string notes = "Owner: ops\n" + line + "\nDo not move";
        Assert.Null(RetentionMark.Parse(notes, "100", "pbs"));
        Assert.True(RetentionMark.IsDamaged(notes, "100", "pbs"));
        Assert.False(RetentionMark.IsDamaged(
            RetentionMark.AddTo(notes, "100", "pbs", new RetentionLimits(Daily: 7)), "100", "pbs"));
        Assert.Equal("Owner: ops\nDo not move", RetentionMark.RemoveDamaged(notes, "pbs"));
    }

    [Theory]
    [InlineData("[natalia-backup retention=100 storage=pbs keeps=keep-dayly=7]", true)]
    [InlineData("[natalia-backup retention=100 storage=pbs kepes=keep-daily=7]", true)]
    [InlineData("[natalia-backup retention=100 storage=pb s keeps=keep-daily=7]", false)]
    [InlineData("[natalia-backup retention=100 storage=pb", false)]
    public void A_damaged_retention_is_of_the_storage_that_it_names_or_of_any(string line, bool isNamed)
    {
        Assert.True(RetentionMark.IsDamaged(line, "100", "pbs"));
        Assert.Equal(!isNamed, RetentionMark.IsDamaged(line, "100", "nas"));
        Assert.Equal(isNamed ? line : "", RetentionMark.RemoveDamaged(line, "nas"));
    }

    [Theory]
    [InlineData("pve1", "pve1", 8006)]
    [InlineData("10.0.0.1:443", "10.0.0.1", 443)]
    [InlineData("fd00::1", "fd00::1", 8006)]
    [InlineData("[fd00::1]:8007", "fd00::1", 8007)]
    public void A_host_is_read_with_its_port(string text, string name, int port) =>
        Assert.Equal(new ApiHost(name, port), ApiHost.Parse(text, 8006));

    [Theory]
    [InlineData(ScheduleKind.Daily, 1, 30, "01:30")]
    [InlineData(ScheduleKind.SixHourly, 1, 0, "01,07,13,19:00")]
    [InlineData(ScheduleKind.SixHourly, 22, 15, "04,10,16,22:15")]
    public void A_schedule_is_written_in_the_servers_words(ScheduleKind kind, int hour, int minute,
        string expected) =>
        Assert.Equal(expected, JobService.Expression(kind, new TimeSpan(hour, minute, 0)));

    [Fact]
    public void The_own_table_says_what_the_contract_says()
    {
        OperationTable own = OperationTable.OwnTable("pve");
        if (!OperationTable.VirtualEnvironment.IsWhole) return;
        foreach (OperationTable.Operation operation in own.All)
        {
            OperationTable.Operation whole = OperationTable.VirtualEnvironment.Find(operation.Method,
                [.. operation.Segments.Select(s => s[0] == '{' ? "x" : s)])!;
            Assert.True(operation.Arguments.Keys.All(whole.Arguments.ContainsKey), operation.Path);
        }
    }
}
